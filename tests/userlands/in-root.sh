#!/bin/sh
# One run in a foreign userland: COMMAND with ROOT as its root, ETC as its /etc, PROGRAMS as its /programs. To be called in a mount
# namespace of its own, so that many can use a root at once, and it stays as it is. Ends with the command's status (128 and more:
# a signal).
# usage: unshare --mount in-root.sh ROOT ETC PROGRAMS COMMAND [ARG]...
set -eu
root=$1
mount --bind "$2" "$root/etc"
mount --bind "$3" "$root/programs"
shift 3
status=0
chroot "$root" "$@" || status=$?
exit $status
