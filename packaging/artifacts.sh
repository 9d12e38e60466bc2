#!/bin/bash
# Makes all files of a release from the two binaries of build.sh: binaries, packages, image, SBOMs, checksums. The same
# binaries give the same bytes.
# usage: packaging/artifacts.sh DIR     DIR is made anew
set -euo pipefail
cd "$(dirname "$0")/.."
umask 022
[ $# = 1 ] || { echo "usage: packaging/artifacts.sh DIR" >&2; exit 1; }
out=$(realpath -m "$1")
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH

fail() {
    echo "artifacts.sh: $*" >&2
    exit 1
}

for target in x86_64-unknown-linux-gnu aarch64-unknown-linux-gnu; do
    [ -x "target/dist/$target/stepzero" ] || fail "packaging/build.sh $target comes first"
done
# Two, if this machine's C library was upgraded between the two builds.
glibc=$(awk '$1 == "glibc" { print $3 }' target/dist/{x86_64,aarch64}-unknown-linux-gnu/linked | sort -u)
[[ $glibc != *$'\n'* ]] || fail "the binaries have glibc" $glibc "inside: build both with the same"

rm -rf "$out"
mkdir -p "$out"
for target in x86_64-unknown-linux-gnu aarch64-unknown-linux-gnu; do
    dist=target/dist/$target
    rm -f "$dist"/*.deb "$dist"/*.rpm
    packaging/package.sh "$target" > /dev/null
    mv "$dist"/*.deb "$dist"/*.rpm "$out/"
    install -m 0755 "$dist/stepzero" "$out/stepzero-$version-$target"
    python3 packaging/sbom.py "$target" > "$out/stepzero-$version-$target.cdx.json"
done
python3 packaging/image.py "$out/stepzero-$version.oci.tar" target/dist/{x86_64,aarch64}-unknown-linux-gnu/stepzero
cd "$out"
sha256sum -- stepzero* > SHA256SUMS
