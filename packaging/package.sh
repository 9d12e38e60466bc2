#!/bin/sh
# Makes the .deb and the .rpm from the static binary of build.sh, with Debian's dpkg-deb and rpmbuild. The same input
# gives the same bytes.
# usage: packaging/package.sh [TARGET]   writes target/dist/TARGET/stepzero_VERSION_ARCH.deb and .rpm
set -eu
cd "$(dirname "$0")/.."
umask 022
host=$(uname -m)-unknown-linux-gnu
target=${1:-$host}
case $target in
x86_64-*) deb_arch=amd64 rpm_arch=x86_64 ;;
aarch64-*) deb_arch=arm64 rpm_arch=aarch64 ;;
*) echo "package.sh: no package architecture is known for $target" >&2; exit 1 ;;
esac
out=$PWD/target/dist/$target
for tool in dpkg-deb rpmbuild; do
    command -v "$tool" > /dev/null || { echo "package.sh: no $tool: apt-get install dpkg rpm" >&2; exit 1; }
done
[ -x "$out/stepzero" ] || { echo "package.sh: packaging/build.sh $target comes first" >&2; exit 1; }
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Completions are the same for all targets; they come from a binary that runs here.
runs=target/dist/$host/stepzero
if [ ! -x "$runs" ]; then
    cargo build --locked --bin stepzero
    runs=${CARGO_TARGET_DIR:-target}/debug/stepzero
fi

tree=$work/tree
doc=$tree/usr/share/doc/stepzero
install -D -m 0755 "$out/stepzero" "$tree/usr/bin/stepzero"
for unit in stepzero@.service stepzero-changed@.service stepzero-changed@.timer stepzero-credential.socket stepzero-credential@.service; do
    install -D -m 0644 "packaging/systemd/$unit" "$tree/usr/lib/systemd/system/$unit"
done
for page in stepzero.1 stepzero.toml.5; do
    directory=$tree/usr/share/man/man${page##*.}
    mkdir -p "$directory"
    gzip -9n < "packaging/man/$page" > "$directory/$page.gz"
done
install -D -m 0644 packaging/systemd/example.toml "$doc/examples/example.toml"
install -D -m 0644 packaging/systemd/10-stepzero.conf "$doc/examples/10-stepzero.conf"
if [ -e packaging/stepzero.schema.json ]; then
    install -D -m 0644 packaging/stepzero.schema.json "$doc/stepzero.schema.json"
fi
for file in LICENSE-MIT LICENSE-APACHE ./*.md docs/*.md docs/*.svg; do
    if [ -e "$file" ]; then install -D -m 0644 "$file" "$doc/$file"; fi
done
{
    printf 'stepzero %s\n%s\n' "$version" "$(sed -n '/^Copyright/p' LICENSE-MIT)"
    printf 'License: MIT or Apache-2.0, as you choose: LICENSE-MIT and LICENSE-APACHE beside this file;\n'
    printf 'the second is /usr/share/common-licenses/Apache-2.0 on Debian.\n'
} > "$doc/copyright"
# Debian's form; what has changed is in CHANGELOG.md.
{
    printf 'stepzero (%s) stable; urgency=medium\n\n  * As CHANGELOG.md beside this file says.\n\n' "$version"
    printf ' -- %s  %s\n' "$(sed -n 's/^Maintainer: //p' packaging/deb/control)" "$(date -u -R -d "@$SOURCE_DATE_EPOCH")"
} | gzip -9n > "$doc/changelog.gz"
completion() {
    mkdir -p "$tree/$(dirname "$2")"
    "$runs" completions "$1" > "$tree/$2"
}
completion bash usr/share/bash-completion/completions/stepzero
completion fish usr/share/fish/vendor_completions.d/stepzero.fish
install -d -m 0755 "$tree/etc/stepzero" "$tree/etc/stepzero/units"

deb() {
    cp -a "$tree" "$work/deb"
    mkdir -p "$work/deb/usr/share/zsh/vendor-completions"
    "$runs" completions zsh > "$work/deb/usr/share/zsh/vendor-completions/_stepzero"
    size=$(du -sk --apparent-size "$work/deb" | cut -f1)
    mkdir "$work/deb/DEBIAN"
    sed -e "s/@VERSION@/$version/" -e "s/@ARCH@/$deb_arch/" -e "s/@SIZE@/$size/" \
        packaging/deb/control > "$work/deb/DEBIAN/control"
    install -m 0755 packaging/deb/postinst packaging/deb/prerm packaging/deb/postrm "$work/deb/DEBIAN/"
    (cd "$work/deb" && find usr -type f | LC_ALL=C sort | xargs md5sum) > "$work/deb/DEBIAN/md5sums"
    find "$work/deb" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
    dpkg-deb --root-owner-group -Zxz --build "$work/deb" "$out/stepzero_${version}_$deb_arch.deb"
}

# The payload is compressed by xz, which rpm 4.11 reads (Amazon Linux 2); zstd, the default of later ones, it does not.
rpm() {
    cp -a "$tree" "$work/rpm"
    mkdir -p "$work/rpm/usr/share/zsh/site-functions"
    "$runs" completions zsh > "$work/rpm/usr/share/zsh/site-functions/_stepzero"
    find "$work/rpm" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
    rpmbuild -bb --quiet --target "$rpm_arch-linux" packaging/rpm/stepzero.spec \
        --define "_topdir $work/topdir" --define "_rpmdir $out" --define "_tree $work/rpm" --define "_v $version" \
        --define '_build_name_fmt %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm' \
        --define '_binary_payload w6.xzdio' --define '_buildhost localhost' --define 'use_source_date_epoch_as_buildtime 1' \
        --define 'clamp_mtime_to_source_date_epoch 1'
}

deb
rpm
ls -l "$out"
