#!/bin/bash
# Builds a release from what is committed, for both architectures, twice, in two places, and compares.
# usage: packaging/release.sh     writes target/release-VERSION/, and repository/ in it, for apt and dnf
#
# STEPZERO_RELEASE_KEY, a file with a secret key of minisign, signs the checksums; STEPZERO_GPG_KEY, the name of a secret key
# of gpg, the repository. Without them it says that nothing is signed. docs/release.md has the rest.
set -euo pipefail
cd "$(dirname "$0")/.."
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
out=$PWD/target/release-$version
[ -z "$(git status --porcelain --untracked-files=no)" ] || { echo "release.sh: commit first" >&2; exit 1; }
commit=$(git rev-parse HEAD)
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
unset CARGO_TARGET_DIR STEPZERO_PROFILE
work=$PWD/target/release-build
rm -rf "$out" "$work"

# One build: a clean copy of the commit, in a directory of its own, whose path does not get into the binary.
once() {
    local source=$work/$1
    mkdir -p "$source"
    git archive "$commit" | tar -x -C "$source"
    (
        cd "$source"
        export RUSTFLAGS="--remap-path-prefix=$source=/stepzero --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo"
        export CFLAGS="-ffile-prefix-map=${CARGO_HOME:-$HOME/.cargo}=/cargo -ffile-prefix-map=$source=/stepzero"
        # arm64 first: it brings this machine's C library to the version that Debian has for arm64.
        packaging/build.sh aarch64-unknown-linux-gnu
        packaging/build.sh x86_64-unknown-linux-gnu
        packaging/artifacts.sh "$source/artifacts"
    )
}

once 1
once 2
diff "$work/1/artifacts/SHA256SUMS" "$work/2/artifacts/SHA256SUMS" || { echo "release.sh: the two builds differ" >&2; exit 1; }
mv "$work/1/artifacts" "$out"
rm -rf "$work"
packaging/sign.sh "$out"
mkdir "$out/repository"
ln "$out"/*.deb "$out"/*.rpm "$out/repository/"
packaging/repository.sh "$out/repository"
(cd "$out" && sha256sum --check --quiet SHA256SUMS && cat SHA256SUMS)
echo "twice, the same: $out"
