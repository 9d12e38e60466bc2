#!/bin/sh
# Builds the two binaries that are shipped, once for all who need them:
#   target/dist/TARGET/stepzero          linked against the system's C library
#   target/dist/TARGET/stepzero-static   alone in a FROM scratch image
# usage: packaging/build.sh [TARGET]     default: this machine
set -eu
cd "$(dirname "$0")/.."
host=$(rustc -vV | sed -n 's/^host: //p')
target=${1:-$host}
out=target/dist/$target
if [ ! -d "$(rustc --print target-libdir --target "$target")" ]; then
    echo "build.sh: Rust's standard library for $target is missing: rustup target add $target" >&2
    exit 1
fi
mkdir -p "$out"

# Each last link takes a minute: nothing is done twice for the same sources, compiler and flags.
stamp=$({ rustc -vV; env | grep -E '^(RUSTFLAGS|CFLAGS|CARGO_PROFILE_.*|CARGO_TARGET_DIR)=' || :
    find src build.rs Cargo.toml Cargo.lock .cargo -type f -exec sha256sum {} + | LC_ALL=C sort; } | sha256sum)
if [ "$(cat "$out/.stamp" 2> /dev/null)" = "$stamp" ] && [ -x "$out/stepzero" ] && [ -x "$out/stepzero-static" ]; then
    exit 0
fi
rm -f "$out/.stamp"

# Without --target for the host, so that `cargo build --release` finds everything built.
if [ "$target" = "$host" ]; then
    options="" built=${CARGO_TARGET_DIR:-target}/release/stepzero
else
    options="--target $target" built=${CARGO_TARGET_DIR:-target}/$target/release/stepzero
fi

# Cargo takes no notice when .cargo/config.toml comes or changes: what was built without it would stay.
if grep -qs 'rustc-cfg=httparse_simd' "${built%/*}"/build/httparse-*/output; then
    # shellcheck disable=SC2086 # options are a list
    cargo clean --release --quiet -p httparse $options
fi

# The flag only for the last step: the dependencies are the same for both, and are built once. The static one first, so
# that what stays in target/release is the other.
case $target in
*-musl) static="" ;;
*) static="-C target-feature=+crt-static" ;;
esac
# shellcheck disable=SC2086 # options and flags are lists
cargo rustc --release --locked --bin stepzero $options -- $static
install -m 0755 "$built" "$out/stepzero-static"
# shellcheck disable=SC2086
cargo build --release --locked --bin stepzero $options
install -m 0755 "$built" "$out/stepzero"
echo "$stamp" > "$out/.stamp"
ls -l "$out"
