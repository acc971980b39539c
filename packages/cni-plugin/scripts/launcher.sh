#!/bin/sh
# The executable `weir`. As a CNI plugin it hands a call to the server of this node, if there is one (`weir serve`, or
# the agent), which answers before Node.js would have started. Everything else is done by weir.cjs, which lies beside
# this file, with Node.js, or by weir-standalone, which has both inside.

# Certificates that Node would parse at every start, and options meant for other programs.
unset NODE_EXTRA_CA_CERTS NODE_OPTIONS

version=@VERSION@
server=${WEIR_STATE_DIRECTORY:-/run/weir}/server-$version
newline='
'

# Hands the call in $input to the server and prints its reply; prints nothing where it died, declines or takes too long.
# The server has pairs of named pipes ready, and whoever creates the file `taken` beside a pair may use it for one call.
ask() (
  cd -P "$server" || return
  # The server left this mark on the BPF filesystem that it sees; in a container that may be another than this one.
  read -r mark <mark && [ -d "${WEIR_BPFFS:-/sys/fs/bpf}/$mark" ] || return
  read -r now idle </proc/uptime || return
  set -C
  for slot in slot-*; do
    true >"$slot/taken" || continue
    # A pipe that is opened for both ways first makes nobody wait for its other end, and when descriptor 4 is closed
    # again, the end of 5 is there at once if the server has died.
    exec 3<>"$slot/call" 4<>"$slot/reply" 5<"$slot/reply" 4<&-
    printf '%s\0' "$now" "$CNI_COMMAND" "$CNI_CONTAINERID" "$CNI_NETNS" "$CNI_IFNAME" "$CNI_ARGS" "$CNI_PATH" \
      "$input" >&3
    exec 3<&-
    exec timeout 10 cat <&5
  done
) 2>/dev/null

# Ends with the server's answer to the call in $input, if it gives one.
serve() {
  # What certainly fits into a pipe, so that no server is needed to write it.
  [ ${#input} -le 12000 ] || return
  reply=$(ask)
  # The exit code, a line for standard error, the text for standard output, and the mark that this is all.
  case $reply in [01]"$newline"*"$newline"*end) ;; *) return ;; esac
  code=${reply%%"$newline"*}
  reply=${reply#*"$newline"}
  said=${reply%%"$newline"*}
  output=${reply#*"$newline"}
  output=${output%end}
  # Where nobody takes the answer, weir.cjs does all of it again, finds the same, and takes it back.
  trap '' PIPE
  if [ -z "$output" ] || printf '%s' "$output" 2>/dev/null; then
    [ -z "$said" ] || printf '%s\n' "$said" >&2
    exit "$code"
  fi
  trap - PIPE
}

# Becomes the standalone executable, where that is what lies beside this file, else weir.cjs.
start() {
  [ -x "$folder/weir-standalone" ] && exec "$folder/weir-standalone" "$@"
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
}

fail() {
  if [ -n "$CNI_COMMAND" ]; then
    printf '{"cniVersion":"1.0.0","code":120,"msg":"%s"}\n' "$1"
  fi
  printf 'weir: %s\n' "$1" >&2
  exit 1
}

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
# Where `weir install` has put it, its files are in a folder of their own, so that an upgrade changes all at once.
[ -d "$folder/weir-@BUILD@.d" ] && folder=$folder/weir-@BUILD@.d

# Paths under /proc mean another process to a server in a container.
case $CNI_COMMAND:$CNI_NETNS:$CNI_NETNS_OVERRIDE in
  *:/proc/*:* | *:?*:?*) ;;
  ADD:* | DEL:* | CHECK:*)
    if [ -d "$server" ] && [ ! -t 0 ] && command -v timeout >/dev/null 2>&1; then
      input=$(cat)
      serve
      printf '%s' "$input" | start "$@"
      exit
    fi
    ;;
esac
start "$@"
