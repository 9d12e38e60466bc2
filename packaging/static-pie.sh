#!/bin/sh
# The linker of arm64. For a static program rustc asks it for one at fixed addresses (of x86_64 for one that can be anywhere);
# the code is position-independent all the same, so it is linked as such, and its addresses are random.
set -eu
for argument; do
    shift
    case $argument in
    -static) set -- "$@" -static-pie ;;
    -no-pie) ;;
    *) set -- "$@" "$argument" ;;
    esac
done
exec aarch64-linux-gnu-gcc "$@"
