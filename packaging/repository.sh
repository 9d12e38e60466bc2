#!/bin/sh
# Makes a directory of packages into a repository for apt and for dnf, to be used by file: or from any web server.
# usage: packaging/repository.sh DIR     DIR has the .deb and .rpm files of all architectures
#
# apt:  Packages, Packages.gz and Release in DIR, a "flat" repository (sources.list(5): a suite that ends with a slash).
# dnf:  repodata/ in DIR.
# STEPZERO_GPG_KEY, the name of a secret key of gpg, signs both: InRelease and Release.gpg, repodata/repomd.xml.asc, and
# stepzero.asc, the public key. The same packages give the same metadata, but for signatures.
set -eu
fail() {
    echo "repository.sh: $*" >&2
    exit 1
}
[ $# = 1 ] && [ -d "$1" ] || fail "usage: packaging/repository.sh DIR"
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$(dirname "$0")" log -1 --format=%ct 2> /dev/null || echo 0)}
export SOURCE_DATE_EPOCH
for tool in apt-ftparchive createrepo_c; do
    command -v "$tool" > /dev/null || fail "no $tool: apt-get install apt-utils createrepo-c"
done
cd "$1"
for kind in deb rpm; do
    set -- *."$kind"
    [ -e "$1" ] || fail "there is no .$kind in $PWD"
done
rm -rf Packages Packages.gz Release InRelease Release.gpg repodata stepzero.asc

apt-ftparchive packages . > Packages
gzip -9nk Packages
# Written elsewhere first: a Release that is there would be in its own list.
release=$(apt-ftparchive -o APT::FTPArchive::Release::Origin=stepzero -o APT::FTPArchive::Release::Label=stepzero \
    -o APT::FTPArchive::Release::Suite=stable -o APT::FTPArchive::Release::Architectures="amd64 arm64" \
    -o APT::FTPArchive::Release::Patterns="Packages Packages.gz" release . |
    sed "s/^Date: .*/Date: $(LC_ALL=C date -u -d "@$SOURCE_DATE_EPOCH" '+%a, %d %b %Y %H:%M:%S +0000')/")
printf '%s\n' "$release" > Release
# The metadata tells the times of the files.
touch --date="@$SOURCE_DATE_EPOCH" -- *.rpm
# The default of later versions is zstd, which yum of Amazon Linux 2 does not read.
createrepo_c --quiet --general-compress-type gz --no-database --revision "$SOURCE_DATE_EPOCH" --set-timestamp-to-revision .

if [ -n "${STEPZERO_GPG_KEY:-}" ]; then
    sign() { gpg --batch --yes --local-user "$STEPZERO_GPG_KEY" --armor "$@"; }
    sign --clearsign --output InRelease Release
    sign --detach-sign --output Release.gpg Release
    sign --detach-sign --output repodata/repomd.xml.asc repodata/repomd.xml
    gpg --armor --export "$STEPZERO_GPG_KEY" > stepzero.asc
else
    echo "repository.sh: STEPZERO_GPG_KEY is not set: the repository is NOT SIGNED" >&2
fi
