#!/bin/sh
# The first device of a LAN pool, its admin (docs/lan-pool.md). Running it again goes on with the
# pool that is there. Ctrl+C stops what it has started.
#
#   NETWORK_ID          default test-network
#   DEVICE_NAME         default device1
#   POOL_NAME           default test-pool
#   RELAY_PORT          default 4001
#   CONTROL_PLANE_PORT  default 8080; when it is in use, the next free port up to 8179
#   MESH_HOME           default ~/.meshnet
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

network_id=${NETWORK_ID:-test-network}
device_name=${DEVICE_NAME:-device1}
pool_name=${POOL_NAME:-test-pool}
relay_port=${RELAY_PORT:-4001}
control_port=${CONTROL_PLANE_PORT:-8080}
# How long the pairing code in .pool-info holds.
pairing_validity=1h

# They say what is wrong in their first second, such as a port that is in use.
check_services() {
  if ! is_running "$relay"; then
    cat "$logs/relay.out" >&2
    fail "the relay server did not start" "If its port is in use: RELAY_PORT=4002 $0"
  fi
  if ! is_running "$control_plane"; then
    cat "$logs/control-plane.out" >&2
    fail "the control plane did not start" "Choose a port: CONTROL_PLANE_PORT=8090 $0"
  fi
}

build_project

step "Starting the relay server (port $relay_port) and the control plane (port $control_port)"
start_program relay node "$here/packages/cli/bin/mesh-relay.js" --port "$relay_port"
relay=$last_pid
start_program control-plane \
  node "$here/packages/cli/bin/mesh-control-plane.js" --port "$control_port"
control_plane=$last_pid

step "Initializing the device"
if [ -e "$home/node.json" ]; then
  say "This machine is a node already ($home): going on with it."
else
  mesh init --network-id "$network_id" --name "$device_name"
fi

check_services

step "Creating the pool $pool_name"
created=$(mesh pool create --name "$pool_name" --existing \
  --pair --validity "$pairing_validity" --json)
pool_id=$(printf '%s\n' "$created" | field poolId)
root_key=$(printf '%s\n' "$created" | field rootPublicKey)
network_id=$(printf '%s\n' "$created" | field networkId)
code=$(printf '%s\n' "$created" | field pairingCode)
[ -n "$pool_id" ] && [ -n "$root_key" ] || fail "the pool's credentials were not told"
now=$(date '+%Y-%m-%d %H:%M')

# The file appears as a whole, and only its owner can read it.
info=$here/.pool-info
{
  say "# The pool $pool_name, written by device1.sh. PAIRING_CODE lets one machine in without a"
  say "# question for $pairing_validity from $now on: keep this file private."
  say "POOL_ID=$pool_id"
  say "POOL_ROOT_PUBKEY=$root_key"
  say "POOL_NAME=$pool_name"
  say "NETWORK_ID=$network_id"
  say "PAIRING_CODE=$code"
} >"$info.new"
mv -f "$info.new" "$info"

step "Credentials of the pool, for Device 2"
cat <<END
----------------------------------------------------------------
  Pool ID:               $pool_id
  Pool Root Public Key:  $root_key
  Pool Name:             $pool_name
  Network ID:            $network_id
  Pairing Code:          $code
                         (lets one machine in, for $pairing_validity)
----------------------------------------------------------------
On Device 2: copy $info there and run ./device2.sh.
Without the file, ./device2.sh asks for the first four, and this device is asked to approve it:
  mesh pool requests      shows who asks, with four words
  mesh pool approve NAME  when Device 2 shows the same words
END

step "Starting the agent"
start_agent
check_services
address=$(sed -n 's/^mesh-control-plane .*: \(http:.*\)$/\1/p' "$logs/control-plane.out")
step "Ready. This device is the admin of $pool_name."
cat <<END
  Relay:          port $relay_port          $logs/relay.log
  Control plane:  ${address:-port $control_port}  $logs/control-plane.log
  Agent:          $(agent_url)  $logs/agent.log
Ctrl+C stops all three.
END
wait "$agent" || :
agent_ended
