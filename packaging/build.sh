#!/bin/sh
# Builds the one binary that is shipped: static, with glibc inside, for any Linux of its architecture.
#   target/dist/TARGET/stepzero
#   target/dist/TARGET/linked      what it has inside beside its crates, for the SBOM
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

# apt with lists of its own that have arm64 as well, so that this machine does not become one of two architectures.
foreign_apt() {
    apt-get -qq -o Dir::State::Lists="$foreign/lists" -o Dir::Cache="$foreign/cache" -o Acquire::Languages=none \
        -o APT::Architectures::=amd64 -o APT::Architectures::=arm64 -o APT::Sandbox::User=root \
        -o Acquire::Retries=3 "$@"
}

# unpack DIR PACKAGE...: packages of arm64, into a directory that is made anew. At the end it has a file `complete`, with the
# packages and their versions.
foreign=$PWD/target/apt
unpack() {
    command -v apt-get > /dev/null || fail "$target needs Debian's packages, and there is no apt-get"
    unpacked=$1
    shift
    if [ ! -e "$foreign/updated" ]; then
        rm -rf "$foreign"
        mkdir -p "$foreign/lists/partial" "$foreign/cache/archives/partial"
        foreign_apt update && touch "$foreign/updated" || fail "no list of Debian's packages for $target"
    fi
    rm -rf "$unpacked"
    mkdir -p "$unpacked"
    (cd "$unpacked" && foreign_apt download "$@" > /dev/null) || fail "$*: not among Debian's packages"
    for package in "$unpacked"/*.deb; do
        dpkg-deb --extract "$package" "$unpacked"
        dpkg-deb --show "$package" >> "$unpacked/packages"
        rm "$package"
    done
    mv "$unpacked/packages" "$unpacked/complete"
}

installed() { dpkg-query --show --showformat='${Version}\n' "$@" 2> /dev/null; }

# A C compiler, which links and which compiles ring. The cc crate finds the one of arm64 by its name. What runs while the
# program is built is linked by the host's.
case $target in
"$host") compiler=cc linker=cc ;;
aarch64-unknown-linux-gnu) compiler=aarch64-linux-gnu-gcc linker=$PWD/packaging/static-pie.sh ;;
*) fail "$target cannot be built on $host" ;;
esac
command -v cc > /dev/null || install_packages gcc libc6-dev
command -v $compiler > /dev/null || install_packages gcc-aarch64-linux-gnu

# The C library for arm64 is Debian's own, with its security updates, which the one of the cross compiler's packages does not get.
# It is the newest, and this machine's is brought to the same version: or the two architectures would not be one program.
if [ "$target" != "$host" ]; then
    export STEPZERO_C_LIBRARY="$PWD/target/c-library/$target"
    unpacked_version() { sed -n 's/^libc6-dev\t//p' "$STEPZERO_C_LIBRARY/complete" 2> /dev/null; }
    [ "$(unpacked_version)" = "$(installed libc6-dev)" ] || unpack "$STEPZERO_C_LIBRARY" libc6-dev:arm64 linux-libc-dev:arm64
    [ "$(unpacked_version)" = "$(installed libc6-dev)" ] || install_packages libc6-dev
    [ "$(unpacked_version)" = "$(installed libc6-dev)" ] ||
        fail "libc6-dev is $(unpacked_version) for arm64, and $(installed libc6-dev) here: both have to be the same"
    # Before the directories that the compiler looks into by itself.
    CFLAGS_aarch64_unknown_linux_gnu="${CFLAGS:-} --sysroot=$STEPZERO_C_LIBRARY \
-isystem $STEPZERO_C_LIBRARY/usr/include/aarch64-linux-gnu -isystem $STEPZERO_C_LIBRARY/usr/include"
    export CFLAGS_aarch64_unknown_linux_gnu
fi

# Rust: what is here, if it has the target's standard library; else Debian's.
export RUSTC="${RUSTC:-rustc}" CARGO="${CARGO:-cargo}"
# The crate getrandom looks for getrandom(2) with dlsym(3), which a static program has not, and then reads /dev/urandom, which an
# empty root has not. The flag has it call getrandom(2), which Linux has since 3.17.
flags='-C target-feature=+crt-static --cfg=getrandom_backend="linux_getrandom"' library=
if ! command -v "$CARGO" > /dev/null || [ ! -d "$("$RUSTC" --print target-libdir --target "$target")" ]; then
    RUSTC=/usr/bin/rustc CARGO=/usr/bin/cargo
    dpkg-query --show rustc-web cargo-web > /dev/null 2>&1 || install_packages rustc-web cargo-web
    rust_version=$(installed rustc-web)
    if [ "$target" != "$host" ]; then
        library=$PWD/target/rust/$rust_version-$target
        [ -e "$library/complete" ] || unpack "$library" "libstd-rust-web-dev:arm64=$rust_version"
        flags="$flags --sysroot $library/usr"
    fi
fi
rm -rf "$foreign"

# What is linked beside the crates: glibc and the unwinder (which Rust's standard library calls) with Debian's packages of them,
# and the standard library by Rust's version and commit, with its package if it is Debian's. What dpkg does not know is left
# empty; sbom.py refuses then.
owner() {
    package=$(dpkg-query --search "$(realpath "$1")" 2> /dev/null | sed 's/: .*//')
    [ -z "$package" ] || dpkg-query --show --showformat='${Package} ${Version} ${Architecture}\n' "$package"
}
unpacked_package() { echo "$(tr '\t' ' ' < "$1/complete" | grep "^$2 ") arm64"; }
linked() {
    libc=$("$linker" -print-file-name=libc.a)
    standard=$(owner "$("$RUSTC" --print target-libdir)"/libstd-*.rlib)
    if [ "$target" = "$host" ]; then
        echo "glibc $(owner "$libc")"
    else
        [ "$libc" = "$STEPZERO_C_LIBRARY/usr/lib/aarch64-linux-gnu/libc.a" ] || fail "$libc would be linked"
        echo "glibc $(unpacked_package "$STEPZERO_C_LIBRARY" libc6-dev)"
        [ -z "${library:-}" ] || standard=$(unpacked_package "$library" libstd-rust-web-dev)
    fi
    echo "libgcc $(owner "$("$linker" -print-file-name=libgcc_eh.a)")"
    "$RUSTC" -vV | sed -n 's/^release: /rust-version /p; s/^commit-hash: /rust-commit /p'
    echo "rust-std $standard"
}

# Linking takes a minute: nothing is done twice for the same sources, compiler, libraries and flags.
linked=$(linked)
stamp=$({ "$RUSTC" -vV; echo "$linked"; echo "$profile"; env | grep -E '^(RUSTFLAGS|CFLAGS|CARGO_PROFILE_.*)=' || :
    find src Cargo.toml Cargo.lock packaging/build.sh packaging/static-pie.sh -type f -exec sha256sum {} + | LC_ALL=C sort; } | sha256sum)
if [ "$(cat "$out/.stamp" 2> /dev/null)" = "$stamp" ] && [ -x "$out/stepzero" ]; then
    exit 0
fi
rm -rf "$out"
mkdir -p "$out"
# Cargo does not know that the C library is another one.
"$CARGO" clean --quiet --locked --package stepzero --profile "$profile" --target "$target"

# With --target, the flags are for the program alone, and not for what runs while it is built.
variable=CARGO_TARGET_$(echo "$target" | tr 'a-z-' 'A-Z_')_LINKER
env "$variable=$linker" RUSTFLAGS="${RUSTFLAGS:-} $flags" \
    "$CARGO" build --locked --bin stepzero --profile "$profile" --target "$target"
install -m 0755 "${CARGO_TARGET_DIR:-target}/$target/$profile/stepzero" "$out/stepzero"
echo "$linked" > "$out/linked"
echo "$stamp" > "$out/.stamp"
ls -l "$out/stepzero"
