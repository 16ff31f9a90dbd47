#!/bin/sh
# A further device of a LAN pool (docs/lan-pool.md). The pool is in .pool-info, which device1.sh
# wrote on the admin's device (copied beside this script or into ~/.meshnet), else it is asked for.
# Running it again goes on as the member that it is. Ctrl+C stops what it has started.
#
#   DEVICE_NAME   default device2; every device of a pool has another one
#   PEER          host:port of the admin's enrolment port (9001), where the LAN carries no beacons
#   MESH_HOME     default ~/.meshnet
set -eu

case "${1-}" in
-h | --help)
  sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed 's/^#$//'
  exit 0
  ;;
"") ;;
*)
  echo "usage: $0    (settings are variables: $0 --help)" >&2
  exit 2
  ;;
esac

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=scripts/device-lib.sh
. "$here/scripts/device-lib.sh"

device_name=${DEVICE_NAME:-device2}
wait_time=60s

# ask QUESTION DEFAULT: the answer on standard output.
ask() {
  printf '%s: ' "$1${2:+ [$2]}" >&2
  IFS= read -r answer || [ -n "$answer" ] ||
    fail "no answer" "Copy .pool-info here, or type what Device 1 shows."
  answer=$(printf '%s' "${answer:-$2}" | tr -d '[:space:]')
  [ -n "$answer" ] || fail "$1 is needed" "device1.sh shows it on the admin's device."
  printf '%s\n' "$answer"
}

info=
for place in "$here/.pool-info" "$home/.pool-info"; do
  if [ -z "$info" ] && [ -r "$place" ]; then info=$place; fi
done

pool_id=
pool_name="its pool"
if [ -n "$info" ]; then
  say "The pool of $info"
  pool_id=$(pool_info POOL_ID)
  root_key=$(pool_info POOL_ROOT_PUBKEY)
  pool_name=$(pool_info POOL_NAME)
  network_id=$(pool_info NETWORK_ID)
  [ -n "$pool_id" ] && [ -n "$root_key" ] ||
    fail "$info lacks POOL_ID or POOL_ROOT_PUBKEY" "Copy it again."
  pool_name=${pool_name:-test-pool}
  network_id=${network_id:-test-network}
elif [ ! -e "$home/node.json" ]; then
  say "There is no .pool-info here: type what device1.sh shows on the admin's device."
  pool_id=$(ask "Pool ID" "")
  root_key=$(ask "Pool Root Public Key" "")
  pool_name=$(ask "Pool Name" test-pool)
  network_id=$(ask "Network ID" test-network)
fi

build_project

# ask_admin CODE: with a pairing code, or without one after the admin's approval. The code is no
# argument: those can be seen by everybody on this machine.
ask_admin() {
  (
    export MESH_PAIRING_CODE="$1"
    mesh pool join --pool-id "$pool_id" --pool-root-pubkey "$root_key" \
      --name "$pool_name" --wait "$wait_time" ${PEER:+--peer "$PEER"}
  )
}

join_pool() {
  code=$(pool_info PAIRING_CODE)
  if [ -n "$code" ]; then
    errors=$logs/join.err
    status=0
    ask_admin "$code" 2>"$errors" || status=$?
    cat "$errors" >&2
    if [ "$status" -eq 0 ]; then return 0; fi
    if ! grep -q MESH_PAIRING_INVALID "$errors"; then return "$status"; fi
    say "The pairing code was used or has ended: asking the admin instead."
  fi
  say "Waiting up to $wait_time for the admin's approval, on Device 1: mesh pool requests"
  ask_admin ""
}

step "Initializing the device"
if [ -e "$home/node.json" ]; then
  say "This machine is a node already ($home): going on with it."
else
  mesh init --network-id "$network_id" --name "$device_name"
fi

if [ -n "$pool_id" ] && [ ! -e "$home/pools/$pool_id.json" ]; then
  step "Asking for a certificate over the LAN"
  join_pool || fail "this device was not let in" \
    "When it was not found: is Device 1 running, in the same LAN, with UDP port 42424 open?" \
    "Without multicast: PEER=ADDRESS-OF-DEVICE-1:9001 $0"
fi

step "Starting the agent"
start_agent
step "Ready. This device is a member of $pool_name."
cat <<END
  Agent:  $(agent_url)  $logs/agent.log
Ctrl+C stops it.
END
wait "$agent" || :
agent_ended
