#!/bin/sh
# Builds the one binary that is shipped: static, with glibc inside, for any Linux of its architecture.
#   target/dist/TARGET/stepzero
# usage: packaging/build.sh [TARGET]     x86_64-unknown-linux-gnu (the default) or aarch64-unknown-linux-gnu
#
# It installs from Debian's packages what is missing, for which it must be root. docs/static-binary.md says why it is built so.
# STEPZERO_PROFILE=ci builds the same program in a fraction of the time, larger and slower: to test, not to ship.
set -eu
cd "$(dirname "$0")/.."
host=$(uname -m)-unknown-linux-gnu
target=${1:-$host}
profile=${STEPZERO_PROFILE:-release}
out=target/dist/$target

fail() {
    echo "build.sh: $*" >&2
    exit 1
}

install_packages() {
    command -v apt-get > /dev/null || fail "$* missing, and there is no apt-get"
    [ "$(id -u)" = 0 ] || fail "$* missing, and only root can install them"
    echo "build.sh: installing $*" >&2
    apt-get -qq update
    DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends "$@" > /dev/null < /dev/null
}

# Rust's standard library for arm64, of the same version as Debian's compiler, unpacked into directory $1. apt keeps its
# lists of arm64 there as well, so that this machine does not become one of two architectures.
unpack_standard_library() {
    rm -rf "$1"
    mkdir -p "$1/lists/partial" "$1/cache/archives/partial"
    (
        cd "$1"
        set -- -qq -o Dir::State::Lists="$PWD/lists" -o Dir::Cache="$PWD/cache" -o Acquire::Languages=none \
            -o APT::Architectures::=amd64 -o APT::Architectures::=arm64 -o APT::Sandbox::User=root
        apt-get "$@" update
        apt-get "$@" download "libstd-rust-web-dev:arm64=$rust_version"
        dpkg-deb --extract ./*.deb .
        rm -rf lists cache ./*.deb
    ) || fail "no standard library of Rust for $target"
    touch "$1/complete"
}

# A C compiler, which links and which compiles ring. The cc crate finds the one of arm64 by its name.
case $target in
"$host") compiler=cc linker=cc packages="gcc libc6-dev" ;;
aarch64-unknown-linux-gnu)
    compiler=aarch64-linux-gnu-gcc linker=$PWD/packaging/static-pie.sh packages="gcc-aarch64-linux-gnu libc6-dev-arm64-cross" ;;
*) fail "$target cannot be built on $host" ;;
esac
# shellcheck disable=SC2086 # packages is a list
command -v $compiler > /dev/null || install_packages $packages

# Rust: what is here, if it has the target's standard library; else Debian's.
export RUSTC="${RUSTC:-rustc}" CARGO="${CARGO:-cargo}"
flags="-C target-feature=+crt-static"
if ! command -v "$CARGO" > /dev/null || [ ! -d "$("$RUSTC" --print target-libdir --target "$target")" ]; then
    RUSTC=/usr/bin/rustc CARGO=/usr/bin/cargo
    dpkg-query --show rustc-web cargo-web > /dev/null 2>&1 || install_packages rustc-web cargo-web
    rust_version=$(dpkg-query --show --showformat='${Version}' rustc-web)
    if [ "$target" != "$host" ]; then
        library=$PWD/target/rust/$rust_version-$target
        [ -e "$library/complete" ] || unpack_standard_library "$library"
        flags="$flags --sysroot $library/usr"
    fi
fi

# Linking takes a minute: nothing is done twice for the same sources, compiler and flags.
stamp=$({ "$RUSTC" -vV; echo "$profile"; env | grep -E '^(RUSTFLAGS|CFLAGS|CARGO_PROFILE_.*)=' || :
    find src Cargo.toml Cargo.lock packaging/build.sh packaging/static-pie.sh -type f -exec sha256sum {} + | LC_ALL=C sort; } | sha256sum)
if [ "$(cat "$out/.stamp" 2> /dev/null)" = "$stamp" ] && [ -x "$out/stepzero" ]; then
    exit 0
fi
rm -rf "$out"
mkdir -p "$out"

# With --target, the flags are for the program alone, and not for what runs while it is built.
variable=CARGO_TARGET_$(echo "$target" | tr 'a-z-' 'A-Z_')_LINKER
env "$variable=$linker" RUSTFLAGS="${RUSTFLAGS:-} $flags" \
    "$CARGO" build --locked --bin stepzero --profile "$profile" --target "$target"
install -m 0755 "${CARGO_TARGET_DIR:-target}/$target/$profile/stepzero" "$out/stepzero"
echo "$stamp" > "$out/.stamp"
ls -l "$out/stepzero"
