#!/bin/bash
# stepzero in a systemd that really boots: an overlay of this machine's root in a container without a network, with the
# deb installed, the fake as IMDS and as Systems Manager, under their real addresses and names.
#
# It takes four minutes: a whole system boots, packages come and go, and services that fail are watched until systemd has tried
# them again.
#
# STEPZERO_ROOT=DIR takes another root, of another release or as debootstrap makes it; it needs --include=systemd,
# systemd-sysv,dbus,python3,man-db,procps,iproute2,curl,openssl,rpm,cloud-init.
set -euo pipefail
cd "$(dirname "$0")/../.."
suite=systemd
source tests/homes/common.sh
[ "$(id -u)" = 0 ] || skip "it needs root"
need systemd-nspawn systemd-container
need init systemd-sysv
need dbus-daemon dbus
need /usr/bin/python3 python3
need pgrep procps
need ip iproute2
need curl curl
need rpmbuild rpm
need man man-db groff-base
need cpio cpio
need openssl openssl
judges
build

password='d)Dmfj@)(dJF!hp'
newrelic=2039402939302293029230923093
work=$(mktemp -d)
booted=
clean() {
    [ -z "$booted" ] || { kill "$booted" 2> /dev/null && wait "$booted" 2> /dev/null; } || true
    umount "$work/layer/root" "$work/layer" 2> /dev/null || true
    rm -rf "$work"
}
trap clean EXIT
trap 'exit 1' INT TERM

# --- boot ---------------------------------------------------------------------------------------------------------
layer=$work/layer root=$work/layer/root
mkdir "$layer"
mount -t tmpfs tmpfs "$layer" || skip "no tmpfs can be mounted"
mkdir "$layer/upper" "$layer/work" "$root"
mount -t overlay overlay -o "lowerdir=${STEPZERO_ROOT:-/},upperdir=$layer/upper,workdir=$layer/work" "$root" || skip "no overlay can be mounted"
install -m 0755 target/debug/fake-aws tests/homes/systemd/web "$root/usr/bin/"
mkdir -p "$root/etc/systemd/system.conf.d" "$root/etc/systemd/journald.conf.d"
printf '[Manager]\nDefaultEnvironment=AWS_CA_BUNDLE=/etc/fake-ca.pem\n' > "$root/etc/systemd/system.conf.d/fake.conf"
printf '[Journal]\nStorage=volatile\nRateLimitBurst=0\n' > "$root/etc/systemd/journald.conf.d/fake.conf"
printf '127.0.0.1 localhost ssm.us-east-1.amazonaws.com\n' > "$root/etc/hosts"
# Images for containers leave manuals and documentation out.
rm -f "$root"/etc/dpkg/dpkg.cfg.d/{docker,excludes}
# Only what a system needs: whatever else is installed on this machine stays down.
printf '[Unit]\nRequires=basic.target dbus.socket\nAfter=basic.target\nAllowIsolate=yes\n' \
    > "$root/etc/systemd/system/homes.target"
systemd-nspawn --quiet --boot --register=no --keep-unit --private-network --machine=homes --directory="$root" \
    -- systemd.unit=homes.target > "$work/console" 2>&1 < /dev/null &
booted=$!
leader() { pgrep -P "$booted" | head -n 1; }
inside() { nsenter -t "$(leader)" --mount --uts --ipc --net --pid --root --wd \
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 "$@"; }
up() { [ "$(inside systemctl is-system-running)" = running ]; }
for _ in $(seq 300); do
    up 2> /dev/null && break
    kill -0 "$booted" 2> /dev/null || { cat "$work/console"; skip "systemd does not boot in a container here"; }
    sleep 0.1
done
up || { cat "$work/console"; inside systemctl --failed; fail "systemd does not boot"; }
proven "systemd $(inside systemctl --version | sed -n '1s/systemd \([^ ]*\).*/\1/p') boots"

inside ip link set lo up
inside ip address add 169.254.169.254/32 dev lo
inside systemd-run --quiet --unit=fake --setenv=HOME=/ fake-aws --listen 127.0.0.1:443 --imds-listen 169.254.169.254:80 \
    --control 127.0.0.1:8099 --ca-out /etc/fake-ca.pem
control() { inside curl -fsS --max-time 10 -X "${3:-POST}" "http://127.0.0.1:8099/$1" -d "${2:-}" > "$work/answer"; }
log() { control log '' GET && cat "$work/answer"; }
await 20 control health '' GET
put() { control put "{\"name\": \"$1\", \"value\": \"$2\", \"type\": \"SecureString\"}" > /dev/null; }
put shared.newrelic_key "$newrelic"
put projectA.shared.database_username db_user
put projectA.production.database_password "$password"

# cloud-init only in there: on the machine itself it would act at the next boot.
if ! inside sh -c 'command -v cloud-init' > /dev/null; then
    mkdir -p "$root/opt/debs/partial"
    packages --download-only --option=Dir::Cache::archives="$root/opt/debs" cloud-init
    inside env DEBIAN_FRONTEND=noninteractive sh -c 'dpkg --install /opt/debs/*.deb' > "$work/dpkg" 2>&1 \
        || { cat "$work/dpkg"; fail "cloud-init"; }
    rm -r "$root/opt/debs"
fi

# --- the package --------------------------------------------------------------------------------------------------
rm -f "$dist"/*.deb "$dist"/*.rpm
packaging/package.sh > /dev/null
deb=$(ls "$dist"/stepzero_*.deb) rpm=$(ls "$dist"/stepzero-*.rpm)
sha256sum "$deb" "$rpm" > "$work/packages.sha256"
packaging/package.sh > /dev/null
sha256sum --check --quiet "$work/packages.sha256" || fail "the same input gives other packages"
files() { inside find /usr /etc /var /opt -xdev -not -path '/var/lib/dpkg/*' -not -path '/var/log/*' -not -path '/var/cache/*' \
    -not -path '/var/tmp/*' -not -path '/var/lib/systemd/*' -not -path '/var/lib/cloud*' | LC_ALL=C sort; }
files > "$work/before"
cp "$deb" "$root/stepzero.deb"
inside dpkg -i /stepzero.deb > "$work/dpkg" 2>&1 || { cat "$work/dpkg"; fail "dpkg -i"; }
same "$(sed -n 's/^version = "\(.*\)"/stepzero \1/p' Cargo.toml | head -n 1)" "$(inside stepzero --version)" "the installed binary"
for page in 1:stepzero 5:stepzero.toml; do
    inside env MANROFFSEQ= MANWIDTH=80 LC_ALL=C.UTF-8 man --warnings "${page%%:*}" "${page#*:}" 2> "$work/groff" > "$work/page"
    [ ! -s "$work/groff" ] || fail "man warns: $(cat "$work/groff")"
    grep -q 'Parameter Store' "$work/page" || grep -q 'scope spec' "$work/page" || fail "man ${page#*:} shows nothing"
done
inside bash -n /usr/share/bash-completion/completions/stepzero
for completion in bash:/usr/share/bash-completion/completions/stepzero zsh:/usr/share/zsh/vendor-completions/_stepzero \
    fish:/usr/share/fish/vendor_completions.d/stepzero.fish; do
    inside stepzero completions "${completion%%:*}" | cmp -s - "$root/${completion#*:}" || fail "${completion%%:*} completions"
done
inside systemd-analyze verify stepzero-credential.socket stepzero-credential@x.service stepzero@web.service \
    stepzero-changed@web.service stepzero-changed@web.timer > "$work/verify" 2>&1 \
    && [ ! -s "$work/verify" ] || fail "the units: $(cat "$work/verify")"
proven "the deb installs, its manual and completions are there, its units are sound"
(cd "$work" && mkdir deb rpm && dpkg-deb -x "$deb" deb && rpm2cpio "$rpm" | (cd rpm && cpio -idm --quiet))
listing() { (cd "$work/$1" && find . -not -type d -printf '%m %p\n' | sed 's/site-functions\|vendor-completions/completions/' | LC_ALL=C sort); }
[ "$(listing deb)" = "$(listing rpm)" ] || fail "the rpm's files: $(diff <(listing deb) <(listing rpm))"
cmp "$work/deb/usr/bin/stepzero" "$work/rpm/usr/bin/stepzero" || fail "the rpm's binary"
! rpm -qp --requires "$rpm" | grep '\.so' || fail "the rpm requires a library, for a static binary"
proven "the rpm has the same files with the same modes"

# no_value FILE EXPECTED: of the lines NAME=VALUE in the second.
no_value() {
    local line
    while IFS= read -r line; do ! grep -qF -- "${line#*=}" "$1" || fail "a value of ${line%%=*} is in $1"; done < "$2"
}

# --- services -----------------------------------------------------------------------------------------------------
source tests/homes/systemd/services.sh
source tests/homes/systemd/changed.sh
source tests/homes/systemd/last_good.sh
source tests/homes/systemd/credentials.sh
source tests/homes/systemd/story.sh

# --- and gone -----------------------------------------------------------------------------------------------------
inside journalctl --no-pager --output=export > "$work/journal"
grep -q 'ssm:GetParameters' "$work/journal" || fail "the journal has no reason for a denial"
no_value "$work/journal" "$work/expected"
proven "nothing of a value is in the journal"
inside systemctl enable --now --quiet stepzero-credential.socket
inside dpkg --purge stepzero > "$work/dpkg" 2>&1 || { cat "$work/dpkg"; fail "dpkg --purge"; }
files > "$work/after"
diff "$work/before" "$work/after" || fail "the purge left something behind, or took too much"
inside systemctl list-units --all --no-legend 'stepzero*' > "$work/units"
[ ! -s "$work/units" ] || fail "units are left: $(cat "$work/units")"
proven "the deb is removed without leftovers"

# --- the rpm: as on a machine of that kind, with a database of its own ------------------------------------------------
rpm_db() { inside rpm --dbpath=/run/rpm "$@"; }
cp "$rpm" "$root/stepzero.rpm"
rpm_db --initdb
# No other package is in that database: so the rpm requires none.
same "" "$(rpm_db --query --all)" "the packages in rpm's database"
rpm_db --install /stepzero.rpm > "$work/rpm.log" 2>&1 || { cat "$work/rpm.log"; fail "rpm --install"; }
! grep -qi -e error -e warning -e failed "$work/rpm.log" || fail "rpm --install says: $(cat "$work/rpm.log")"
rpm_db --verify stepzero || fail "rpm --verify"
inside stepzero --version > /dev/null || fail "the rpm's binary"
inside systemctl enable --now --quiet stepzero-credential.socket || fail "the rpm's units"
echo '[env]' > "$root/etc/stepzero/units/mine.toml"
rpm_db --erase stepzero > "$work/rpm.log" 2>&1 || { cat "$work/rpm.log"; fail "rpm --erase"; }
inside systemctl list-units --all --no-legend 'stepzero*' > "$work/units"
[ ! -s "$work/units" ] || fail "units are left: $(cat "$work/units")"
[ -e "$root/etc/stepzero/units/mine.toml" ] || fail "rpm --erase took a spec that is not its own"
rm -r "$root/etc/stepzero"
files > "$work/after"
diff "$work/before" "$work/after" || fail "rpm --erase left something behind, or took too much"
proven "the rpm is installed, its units work, and it is removed without leftovers"
