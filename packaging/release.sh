#!/bin/bash
# Builds a release from what is committed, twice, in two places, and compares: binaries, packages, checksums, SBOM.
# usage: packaging/release.sh [TARGET]   writes target/release-TARGET/
#
# TARGET needs its Rust standard library (rustup target add) and a linker and C compiler for it (CC_..., see the docs of
# the cc crate). Proven on x86_64-unknown-linux-gnu only; docs/homes.md says what else was tried.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${1:-$(rustc -vV | sed -n 's/^host: //p')}
out=$PWD/target/release-$target
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
if [ ! -d "$(rustc --print target-libdir --target "$target")" ]; then
    echo "release.sh: Rust's standard library for $target is missing: rustup target add $target" >&2
    exit 1
fi
[ -z "$(git status --porcelain --untracked-files=no)" ] || { echo "release.sh: commit first" >&2; exit 1; }
commit=$(git rev-parse HEAD)
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH

# One build: a clean copy of the commit, in a directory of its own, whose path does not get into the binary.
once() {
    local source=$out/build-$1
    rm -rf "$source"
    mkdir -p "$source"
    git archive "$commit" | tar -x -C "$source"
    (
        cd "$source"
        unset CARGO_TARGET_DIR
        export RUSTFLAGS="--remap-path-prefix=$source=/stepzero --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo"
        export CFLAGS="-ffile-prefix-map=${CARGO_HOME:-$HOME/.cargo}=/cargo -ffile-prefix-map=$source=/stepzero"
        packaging/build.sh "$target"
        packaging/package.sh "$target"
        python3 packaging/sbom.py "$target" > "target/dist/$target/stepzero-$version.cdx.json"
        cd "target/dist/$target"
        mv stepzero "stepzero-$version-$target"
        rm .stamp
        sha256sum -- *.* > SHA256SUMS
    ) >&2
    echo "$source/target/dist/$target"
}

first=$(once 1)
second=$(once 2)
diff "$first/SHA256SUMS" "$second/SHA256SUMS" || { echo "release.sh: the two builds differ" >&2; exit 1; }
cp "$first"/* "$out/"
rm -rf "$out"/build-?
(cd "$out" && sha256sum --check --quiet SHA256SUMS && cat SHA256SUMS)
echo "twice, the same: $out"
