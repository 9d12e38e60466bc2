#!/bin/sh
# The linker of arm64. For a static program rustc asks it for one at fixed addresses (of x86_64 for one that can be anywhere);
# the code is position-independent all the same, so it is linked as such, and its addresses are random.
#
# STEPZERO_C_LIBRARY is the directory into which build.sh has unpacked the C library. It comes before the one that the cross
# compiler finds by itself, if Debian's package of it is installed.
set -eu
for argument; do
    shift
    case $argument in
    -static) set -- "$@" -static-pie ;;
    -no-pie) ;;
    *) set -- "$@" "$argument" ;;
    esac
done
exec aarch64-linux-gnu-gcc --sysroot="$STEPZERO_C_LIBRARY" -B"$STEPZERO_C_LIBRARY/usr/lib/aarch64-linux-gnu" "$@"
