# Sourced by device1.sh and device2.sh: what both do. Needs `here`, the folder of the clone.
# shellcheck shell=sh

here=${here:?}
home=${MESH_HOME:-$HOME/.meshnet}
logs=$home/logs
# Every process that the script has started, the first one last.
pids=

say() { printf '%s\n' "$*"; }

step() {
  printf '\n[%s s] %s\n' "$(($(date +%s) - started))" "$*"
}

fail() {
  printf 'error: %s\n' "$1" >&2
  shift
  for line in "$@"; do printf '  hint: %s\n' "$line" >&2; done
  exit 1
}

mesh() { node "$here/packages/cli/bin/mesh.js" "$@"; }

build_project() {
  command -v node >/dev/null 2>&1 ||
    fail "node is not installed" "It needs Node 20.19 or later: https://nodejs.org"
  step "Building the project (nothing when nothing has changed)"
  node "$here/scripts/build.mjs" || fail "the project was not built: see the lines above"
}

# A value of .pool-info. The file is read, never run.
pool_info() {
  [ -n "$info" ] || return 0
  sed -n "s/^[[:space:]]*$1=//p" "$info" | tail -n 1 | tr -d '\r' |
    sed 's/[[:space:]]*$//'
}

# One text of the JSON that `mesh ... --json` prints.
field() {
  sed -n "s/^[[:space:]]*\"$1\": \"\([^\"\\\\]*\)\",\{0,1\}\$/\1/p" | head -n 1
}

# start_program NAME COMMAND...: in the background, its words in NAME.out, its id in `last_pid`.
start_program() {
  program=$1
  shift
  "$@" >"$logs/$program.out" 2>&1 </dev/null &
  last_pid=$!
  pids="$last_pid $pids"
}

is_running() { kill -0 "$1" 2>/dev/null; }

# Where the agent that runs from here answers.
agent_url() { sed -n 's/.*"nodeUrl":"\([^"]*\)".*/\1/p' "$home/run/node.json"; }

# Starts the node in the background, its log on this terminal too, and waits until it is ready.
start_agent() {
  node "$here/packages/cli/bin/mesh.js" start </dev/null &
  agent=$!
  pids="$agent $pids"
  until grep -q "\"pid\":${agent}[,}]" "$home/run/node.json" 2>/dev/null; do
    is_running "$agent" || agent_ended
    sleep 0.1
  done
}

agent_ended() {
  code=0
  wait "$agent" || code=$?
  if [ "$code" = 0 ]; then
    # Somebody stopped it, such as `kill` or a service manager: the rest of the script goes as well.
    echo "The agent was stopped."
    exit 0
  fi
  fail "the agent ended with status $code" "See above, or: tail $logs/agent.log"
}

# Ends what this script has started, and nothing else. A second Ctrl+C does not wait.
stop_all() {
  trap 'kill_all' INT TERM HUP
  for pid in $pids; do kill -TERM "$pid" 2>/dev/null || :; done
  for pid in $pids; do
    while kill -0 "$pid" 2>/dev/null; do wait "$pid" 2>/dev/null || :; done
  done
  pids=
}

kill_all() {
  for pid in $pids; do kill -KILL "$pid" 2>/dev/null || :; done
}

on_signal() {
  trap '' INT TERM HUP
  say ""
  say "Stopping ..."
  exit "$1"
}

on_exit() {
  status=$?
  trap - EXIT
  was=$pids
  stop_all
  [ -z "$was" ] || say "Stopped: everything that this script had started."
  exit "$status"
}

trap on_exit EXIT
trap 'on_signal 130' INT
trap 'on_signal 143' TERM
trap 'on_signal 129' HUP
umask 077
mkdir -p "$logs"
started=$(date +%s)
