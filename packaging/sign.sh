#!/bin/sh
# Signs the checksums of a release with minisign, which asks for the key's password itself if it has one.
# usage: STEPZERO_RELEASE_KEY=FILE packaging/sign.sh DIR     writes DIR/SHA256SUMS.minisig
#
# Without STEPZERO_RELEASE_KEY it says that the release is not signed. docs/release.md has how a user verifies.
set -eu
sums=${1:?"usage: packaging/sign.sh DIR"}/SHA256SUMS
rm -f "$sums.minisig"
if [ -z "${STEPZERO_RELEASE_KEY:-}" ]; then
    echo "sign.sh: STEPZERO_RELEASE_KEY is not set: this release is NOT SIGNED" >&2
    exit 0
fi
command -v minisign > /dev/null || { echo "sign.sh: no minisign: apt-get install minisign" >&2; exit 1; }
[ -r "$STEPZERO_RELEASE_KEY" ] || { echo "sign.sh: $STEPZERO_RELEASE_KEY cannot be read" >&2; exit 1; }
# The comment is signed too: of which release these checksums are.
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$(dirname "$0")/../Cargo.toml" | head -n 1)
minisign -S -s "$STEPZERO_RELEASE_KEY" -m "$sums" -t "stepzero $version"
