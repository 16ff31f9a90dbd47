#!/bin/sh
# Makes a node of another mesh known to the node on this machine (docs/mesh/keys-and-introductions.md).
#
#   ./mesh-connect.sh http://192.168.1.100:3000 homelab-node storage,compute
#
# MESH_URL      the local node; default http://localhost:3000
# MESH_API_KEY  a key of the local node with the scope register; on this machine it needs none.
#               MESH_URL and MESH_API_KEY are read from .env when they are not set.
# Ends with 0 when it worked; 2: wrong use; 3: the local node is not there; 4: it refused the key;
# 5: the other node was not reached or did not prove who it is; 1: anything else.
set -eu

usage() {
  echo "usage: $0 URL NAME [CAPABILITIES]" >&2
  echo "  for example: $0 http://192.168.1.100:3000 homelab-node storage,compute" >&2
  exit 2
}

fail() {
  status=$1
  shift
  for line in "$@"; do
    [ -z "$line" ] || printf '%s\n' "$line" >&2
  done
  exit "$status"
}

# The value of one variable in .env; nothing of that file is ever run.
from_env_file() {
  [ -r .env ] || return 0
  sed -n "s/^[[:space:]]*\(export[[:space:]][[:space:]]*\)\{0,1\}$1[[:space:]]*=[[:space:]]*//p" .env |
    tail -n 1 | tr -d '\r' |
    sed -e 's/^"\([^"]*\)".*$/\1/' -e t -e "s/^'\([^']*\)'.*\$/\1/" -e t -e 's/[[:space:]]*#.*$//' \
      -e 's/[[:space:]]*$//'
}

# As the text of a JSON string. Line ends and other control characters have no place in any of ours.
json_text() {
  printf '%s' "$1" | tr -d '\000-\037' | sed -e 's/\\/\\\\/g' -e 's/"/\\"/g'
}

# The last field of that name in the answer, without its quotes; empty when there is none.
field() {
  tr -d '\n' <"$work/answer" |
    sed -n "s/^.*[{,][[:space:]]*\"$1\"[[:space:]]*:[[:space:]]*\"\(\([^\"\\\\]\|\\\\.\)*\)\".*\$/\1/p" |
    sed -e 's/\\"/"/g' -e 's/\\\\/\\/g' | tr -d '\000-\037'
}

case "${1-}" in
-h | --help) usage ;;
esac
if [ $# -lt 2 ] || [ $# -gt 3 ]; then usage; fi
case "$1" in
http://?* | https://?*) ;;
*) fail 2 "error: the URL must start with http:// or https://, such as http://192.168.1.100:3000" ;;
esac
[ -n "$2" ] || usage
command -v curl >/dev/null 2>&1 || fail 1 "error: curl is not installed"

local_url=${MESH_URL-$(from_env_file MESH_URL)}
local_url=${local_url:-http://localhost:3000}
local_url=${local_url%/}
api_key=${MESH_API_KEY-$(from_env_file MESH_API_KEY)}

# The key goes into a file that only this user can read: command lines can be seen by everybody.
umask 077
work=$(mktemp -d "${TMPDIR:-/tmp}/mesh-connect.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
printf 'Content-Type: application/json\n' >"$work/headers"
if [ -n "$api_key" ]; then
  printf 'X-API-Key: %s\n' "$(printf '%s' "$api_key" | tr -d '[:space:]')" >>"$work/headers"
fi
printf '{"nodeUrl":"%s","nodeName":"%s","capabilities":"%s"}' \
  "$(json_text "$1")" "$(json_text "$2")" "$(json_text "${3-}")" >"$work/body"

# A node's own TLS certificate is of its own CA: MESH_CA_FILE names that CA for an https:// MESH_URL.
set -- "$1" "$2"
if [ -n "${MESH_CA_FILE-}" ]; then set -- "$1" "$2" --cacert "$MESH_CA_FILE"; fi
remote_url=$1
shift 2

code=0
status=$(curl --silent --show-error --max-time 30 --max-filesize 1048576 "$@" \
  --header "@$work/headers" --data-binary "@$work/body" \
  --output "$work/answer" --write-out '%{http_code}' \
  "$local_url/api/mesh/register" 2>"$work/errors") || code=$?
if [ "$code" -ne 0 ]; then
  fail 3 "error: the local node at $local_url did not answer: $(cat "$work/errors")" \
    "  hint: start it with \`mesh up\`, or say where it is: MESH_URL=http://localhost:3000"
fi

case "$status" in
200 | 201) ;;
*)
  detail=$(field detail)
  hint=$(field hint)
  problem=$(field code)
  case "$problem" in
  MESH_KEY_* | MESH_UNAUTHENTICATED | MESH_FORBIDDEN | MESH_ADDRESS_REFUSED) end=4 ;;
  MESH_INTRODUCTION_FAILED | MESH_UNREACHABLE | MESH_TIMEOUT | MESH_CERT_* | MESH_PROTOCOL) end=5 ;;
  MESH_BAD_REQUEST) end=2 ;;
  *) end=1 ;;
  esac
  if [ -z "$problem" ]; then
    detail="the local node at $local_url answered with status $status"
    hint="Is that a node of Hearthmesh? \`mesh status\` on this machine tells."
  fi
  fail "$end" "error: $detail" "${hint:+  hint: $hint}" "${problem:+  code: $problem}"
  ;;
esac

name=$(field name)
words=$(field fingerprint)
if [ -z "$name" ] || [ -z "$words" ]; then
  fail 1 "error: what answers at $local_url is not a node of Hearthmesh" \
    "  hint: say where the local node is: MESH_URL=http://localhost:3000"
fi
if [ "$status" = 201 ]; then
  echo "Connected: $name is known to the local node now."
else
  echo "Known already: $name is up to date."
fi
echo "  $(field trust)"
echo
echo "Compare these words with the other side, by voice or another way that you trust:"
echo
echo "  $words"
echo
echo "Next:"
echo "  1. On the other machine, \`mesh node introduced\` shows the same words for its own node."
echo "     If they differ, somebody stands between you: \`mesh node remove $name\`."
echo "  2. For the way back, run this there with the URL of this node (this one asked $remote_url)."
echo "  3. \`curl $local_url/api/mesh/nodes\` or \`mesh node introduced\` shows who is connected."
