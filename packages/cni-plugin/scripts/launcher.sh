#!/bin/sh
# Starts weir.cjs, which lies beside this file, with Node.js. It forks nothing unless it was called through a
# symbolic link.

# Certificates that Node would parse at every start, and options meant for other programs.
unset NODE_EXTRA_CA_CERTS NODE_OPTIONS

self=$0
while [ -L "$self" ]; do
  target=$(readlink "$self")
  case $target in
    /*) self=$target ;;
    *) self=${self%/*}/$target ;;
  esac
done
case $self in
  */*) folder=${self%/*} ;;
  *) folder=. ;;
esac

fail() {
  if [ -n "$CNI_COMMAND" ]; then
    printf '{"cniVersion":"1.0.0","code":120,"msg":"%s"}\n' "$1"
  fi
  printf 'weir: %s\n' "$1" >&2
  exit 1
}

if [ -n "$WEIR_NODE" ]; then
  [ -x "$WEIR_NODE" ] || fail "WEIR_NODE does not name an executable file: set it to the path of Node.js 20 or later"
  exec "$WEIR_NODE" "$folder/weir.cjs" "$@"
fi
# A Node.js that came with weir, the runtime's PATH, and where Node.js usually is when that PATH is short.
[ -x "$folder/node" ] && exec "$folder/node" "$folder/weir.cjs" "$@"
command -v node >/dev/null 2>&1 && exec node "$folder/weir.cjs" "$@"
for node in /usr/local/bin/node /usr/bin/node /opt/node/bin/node /usr/lib/node/bin/node /snap/bin/node; do
  [ -x "$node" ] && exec "$node" "$folder/weir.cjs" "$@"
done
fail "no Node.js was found on the PATH or in the usual places: install Node.js 20 or later, or set WEIR_NODE to its path"
