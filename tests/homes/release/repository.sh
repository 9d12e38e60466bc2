# Sourced by release.sh, in the directory of the release: repositories as docs/release.md has them, for apt in a root of Debian
# and for dnf in a directory of its own, by https and by file:.
# shellcheck shell=bash

# --- made: unsigned, signed, and signed with a key that the user does not have ---------------------------------------------
served=$work/served
mkdir -p "$served/stepzero"
cp ./*.deb ./*.rpm "$served/stepzero/"
gpg_quiet() { gpg --batch --quiet "$@" 2> /dev/null; }
mkdir -m 0700 "$GNUPGHOME"
for name in release other; do
    gpg_quiet --passphrase "" --quick-generate-key "$name@example.invalid" ed25519 sign never || fail "gpg makes no key"
done
repository() { (cd "$source" && packaging/repository.sh "$served/$1") > "$work/log" 2>&1 || { cat "$work/log"; fail "repository.sh"; }; }
repository stepzero
grep -q 'NOT SIGNED' "$work/log" || fail "nobody says that the repository is not signed"
metadata() { (cd "$served/stepzero" && find . -type f -exec sha256sum {} + | sort -k2); }
metadata > "$work/metadata"
sleep 1.1
repository stepzero
diff "$work/metadata" <(metadata) || fail "the same packages give another repository"
cp -r "$served/stepzero" "$served/unsigned"
cp -r "$served/stepzero" "$served/other"
STEPZERO_GPG_KEY=other@example.invalid repository other
STEPZERO_GPG_KEY=release@example.invalid repository stepzero
cp "$served/stepzero/stepzero.asc" "$work/stepzero.asc"
# Changed after it was signed: what the metadata says, and a package.
for change in metadata package; do cp -r "$served/stepzero" "$served/changed-$change"; done
echo >> "$served/changed-metadata/Packages"
rm "$served/changed-metadata/Packages.gz"
echo >> "$served/changed-metadata/repodata/repomd.xml"
for package in "$served"/changed-package/*.{deb,rpm}; do
    printf '\1' | dd of="$package" bs=1 seek=100000 conv=notrunc status=none
done
proven "a repository is the same bytes when made twice, and says so when it is not signed"

# --- a web server, whose certificate is by an authority of the test's ---------------------------------------------------------
(
    cd "$work"
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=test authority" -keyout ca.key -out ca.pem
    openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout server.key -out server.csr
    openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out server.pem \
        -extfile <(echo subjectAltName=DNS:localhost)
) > "$work/log" 2>&1 || { cat "$work/log"; fail "openssl makes no certificate"; }
python3 "$source/tests/homes/release/serve.py" "$served" "$work/server.pem" "$work/server.key" "$work/port" 2> "$work/requests" &
server=$!
await 20 test -e "$work/port"
host=localhost:$(cat "$work/port")
# fetched PATH: whether the server was asked for it, since the last time; forgets what it was asked for.
fetched() {
    grep -q "GET /$1 HTTP.* 200 " "$work/requests" || fail "not fetched by https: $1: $(cat "$work/requests")"
    : > "$work/requests"
}

# --- apt ------------------------------------------------------------------------------------------------------------------
make_debian bookworm || skip "no root of Debian can be made: $(tail -n 1 "$roots_cache/bookworm.log")"
# A copy, that what is installed does not stay.
root=$work/root
mkdir "$root"
cp -a "$roots_cache/bookworm/." "$root/"
echo '127.0.0.1 localhost' > "$root/etc/hosts"
rm -rf "$root"/etc/apt/sources.list "$root"/etc/apt/sources.list.d/*
install -D -m 0644 "$work/stepzero.asc" "$root/etc/apt/keyrings/stepzero.asc"
cp -r "$served" "$root/repositories"
in_debian() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive LC_ALL=C "$@" > "$work/log" 2>&1; }
# As root of that Debian trusts it: ca-certificates is not among the packages of the root.
trust() {
    cp "$work/ca.pem" "$root/etc/ca.pem"
    echo 'Acquire::https::CAInfo "/etc/ca.pem";' > "$root/etc/apt/apt.conf.d/ca"
}
# The line of docs/release.md, with another address: apt_source URL
documented_source=$(cd "$source" && documented release sh 2 | grep -v '^#')
apt_source() {
    rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/archives/*.deb
    echo "${documented_source/https:\/\/HOST\/stepzero\//$1}" > "$root/etc/apt/sources.list.d/stepzero.list"
    grep -qF "$1" "$root/etc/apt/sources.list.d/stepzero.list" || fail "docs/release.md has another source for apt"
}
apt_installs() {
    in_debian apt-get update || fail "apt-get update of $1: $(cat "$work/log")"
    ! grep '^[WE]:' "$work/log" || fail "apt-get update warns"
    in_debian apt-get install --yes stepzero || fail "apt-get install from $1: $(cat "$work/log")"
    in_debian stepzero --version || fail "the installed binary: $(cat "$work/log")"
    same "stepzero $version" "$(cat "$work/log")" "the version that apt has installed"
    in_debian dpkg --verify stepzero || fail "dpkg --verify: $(cat "$work/log")"
}
# refused COMMAND... : REASON, a basic regular expression, in $reason
refused() {
    ! "$@" || fail "not refused: $*"
    grep -q "$reason" "$work/log" || fail "refused for another reason: $*: $(cat "$work/log")"
}
apt_source "https://$host/stepzero/"
reason='certificate' refused in_debian apt-get -o APT::Update::Error-Mode=any update
trust
: > "$work/requests"
apt_installs "https:"
fetched "stepzero/./stepzero_${version}_amd64.deb"
in_debian apt-get purge --yes stepzero || fail "apt-get purge: $(cat "$work/log")"
apt_source file:/repositories/stepzero/
apt_installs "file:"
in_debian apt-get purge --yes stepzero || fail "apt-get purge: $(cat "$work/log")"
proven "apt-get install stepzero in a root of Debian, from the signed repository, by https and by file:"

for base in "https://$host" file:/repositories; do
    apt_source "$base/unsigned/"
    reason='is not signed' refused in_debian apt-get update
    reason='Unable to locate package' refused in_debian apt-get install --yes stepzero
    apt_source "$base/other/"
    reason='NO_PUBKEY' refused in_debian apt-get update
    apt_source "$base/changed-metadata/"
    reason='Hash Sum mismatch\|unexpected size' refused in_debian apt-get update
    apt_source "$base/changed-package/"
    in_debian apt-get update || fail "apt-get update: $(cat "$work/log")"
    reason='Hash Sum mismatch\|unexpected size' refused in_debian apt-get install --yes stepzero
done
proven "apt refuses a repository that is not signed, or by another key, and metadata and packages that were changed"
# The unsigned one is otherwise as good: the signature is all that apt misses. No user should say this.
apt_source "https://$host/unsigned/"
sed -i 's/\[.*\]/[trusted=yes]/' "$root/etc/apt/sources.list.d/stepzero.list"
in_debian apt-get update && in_debian apt-get install --yes stepzero || fail "apt-get of the unsigned: $(cat "$work/log")"
proven "apt takes the unsigned one where trusted=yes switches the check off"

# --- dnf ------------------------------------------------------------------------------------------------------------------
installed=$work/installed
mkdir "$work/repos"
# The section of docs/release.md, with another address and path of the key, and no cache: dnf_source URL [SED_SCRIPT]
dnf_source() {
    rm -rf "$work/dnf" "$installed"
    mkdir "$installed"
    (cd "$source" && documented release ini 1) |
        sed "s|^baseurl=https://HOST/stepzero/$|baseurl=$1|; s|^gpgkey=.*|gpgkey=file://$work/stepzero.asc|; ${2:-}" > "$work/repos/stepzero.repo"
    grep -qxF "baseurl=$1" "$work/repos/stepzero.repo" || fail "docs/release.md has another section for dnf"
    echo "sslcacert=$work/ca.pem" >> "$work/repos/stepzero.repo"
}
# Where the database of rpm is depends on HOME, on Debian.
in_dnf() {
    env -i PATH="$PATH" HOME="$HOME" LC_ALL=C dnf --installroot="$installed" --releasever=1 --setopt=reposdir="$work/repos" \
        --setopt=cachedir="$work/dnf" --setopt=logdir="$work/dnf" --assumeyes "$@" > "$work/log" 2>&1
}
dnf_installs() {
    in_dnf install stepzero || fail "dnf install from $1: $(cat "$work/log")"
    ! grep -i -e warning -e 'scriptlet failed' "$work/log" || fail "dnf install warns"
    same "stepzero-$version-1.x86_64" "$(rpm --root "$installed" -qa | grep -v ^gpg-pubkey)" "what dnf has installed"
    rpm --root "$installed" -Va > "$work/log" || fail "rpm -Va: $(cat "$work/log")"
    same "stepzero $version" "$(chroot "$installed" /usr/bin/stepzero --version)" "the version that dnf has installed"
    in_dnf remove stepzero || fail "dnf remove: $(cat "$work/log")"
    [ ! -e "$installed/usr/bin/stepzero" ] || fail "dnf remove leaves the binary"
}
dnf_source "https://$host/stepzero/"
: > "$work/requests"
dnf_installs "https:"
fetched "stepzero/stepzero-$version-1.x86_64.rpm"
dnf_source "file://$served/stepzero/"
dnf_installs "file:"
dnf_source "https://$host/stepzero/"
in_dnf --forcearch=aarch64 install stepzero || fail "dnf install for arm64: $(cat "$work/log")"
cmp "$arm64" "$installed/usr/bin/stepzero" || fail "dnf installs another binary for arm64"
proven "dnf install stepzero into an empty directory, from the signed repository, by https and by file:, for both architectures"

dnf_refused() {
    refused in_dnf install stepzero
    [ ! -e "$installed/usr/bin/stepzero" ] || fail "refused, and installed all the same"
}
dnf_source "https://$host/stepzero/"
sed -i '/^sslcacert/d' "$work/repos/stepzero.repo"
reason='certificate verification failed' dnf_refused
for base in "https://$host" "file://$served"; do
    dnf_source "$base/unsigned/"
    reason='GPG signature is not available' dnf_refused
    dnf_source "$base/other/"
    reason='Bad GPG signature' dnf_refused
    dnf_source "$base/changed-metadata/"
    reason='Bad GPG signature' dnf_refused
    dnf_source "$base/changed-package/"
    reason='hecksum' dnf_refused
    # The rpms have no signature of their own.
    dnf_source "$base/stepzero/" 's/^gpgcheck=0/gpgcheck=1/'
    reason='is not signed' dnf_refused
done
proven "dnf refuses a repository that is not signed, or by another key, and metadata and packages that were changed"
kill "$server"
wait "$server" 2> /dev/null || true
server=
