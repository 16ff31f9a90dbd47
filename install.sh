#!/bin/sh
# Builds this clone and makes its programs commands of this user: mesh, mesh-relay and
# mesh-control-plane in ~/.local/bin, which is added to the PATH in .zshrc or .bashrc. Running it
# again changes nothing that is right already. To undo it: remove the three files, and the two lines
# in .zshrc or .bashrc.
set -eu

case "${1-}" in
-h | --help)
  sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed 's/^#$//'
  exit 0
  ;;
"") ;;
*)
  echo "usage: $0" >&2
  exit 2
  ;;
esac

say() { printf '%s\n' "$*"; }

fail() {
  printf 'error: %s\n' "$1" >&2
  [ $# -lt 2 ] || printf '  hint: %s\n' "$2" >&2
  exit 1
}

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
bin=$HOME/.local/bin
mark="# Made by install.sh of Hearthmesh"

node=$(command -v node) ||
  fail "node is not installed" "It needs Node 20.19 or later: https://nodejs.org"
"$node" "$here/scripts/build.mjs" || fail "the project was not built: see the lines above"

# As one word for sh, whatever is in it.
quoted() { printf "'%s'" "$(printf '%s' "$1" | sed "s/'/'\\\\''/g")"; }

launcher() {
  cat <<END
#!/bin/sh
$mark
node=$(quoted "$node")
[ -x "\$node" ] || node=node
exec "\$node" $(quoted "$here/packages/cli/bin/$1.js") "\$@"
END
}

mkdir -p "$bin"
for name in mesh mesh-relay mesh-control-plane; do
  path=$bin/$name
  if [ -e "$path" ] && ! grep -qF "$mark" "$path" 2>/dev/null; then
    fail "$path is another program's" "Move it away, then run $0 again."
  fi
done
for name in mesh mesh-relay mesh-control-plane; do
  path=$bin/$name
  if [ -x "$path" ] && [ "$(cat "$path")" = "$(launcher "$name")" ]; then
    say "$path: there already"
    continue
  fi
  launcher "$name" >"$path.new"
  chmod 755 "$path.new"
  mv -f "$path.new" "$path"
  say "$path: installed"
done

case "${SHELL-}" in
*/zsh) rc=${ZDOTDIR:-$HOME}/.zshrc ;;
*/bash) rc=$HOME/.bashrc ;;
*) if [ -e "$HOME/.zshrc" ]; then rc=$HOME/.zshrc; else rc=$HOME/.bashrc; fi ;;
esac
# shellcheck disable=SC2016
line='export PATH="$HOME/.local/bin:$PATH"'
if grep -qxF "$line" "$rc" 2>/dev/null; then
  say "$rc: has ~/.local/bin in the PATH already"
else
  # A file that does not end with a line end keeps its last line.
  if [ -s "$rc" ] && [ -n "$(tail -c 1 "$rc")" ]; then printf '\n' >>"$rc"; fi
  printf '%s\n%s\n' "$mark" "$line" >>"$rc"
  say "$rc: ~/.local/bin added to the PATH"
fi

say ""
case ":$PATH:" in
*":$bin:"*) say "Installed: mesh, mesh-relay and mesh-control-plane can be used at once." ;;
*) say "Installed. Restart your shell, or run: source $rc" ;;
esac
