# Sourced by systemd.sh: a service that crashes in an outage, and is up again with its last good values.
# shellcheck shell=bash

cat > "$root/etc/stepzero/web.toml" <<'SPEC'
project = "projectA"
environment = "production"
last_good = "1h"
last_good_after = "4s"
timeout = "9s"
[env]
DATABASE_PASSWORD = "database_password"
[files]
USERNAME_FILE = "database_username"
SPEC
# Ends by itself when it is told to, and shows its descriptors and what it was told of them.
cat > "$root/usr/bin/kept" <<'SCRIPT'
#!/bin/sh
# Not in a substitution, whose pipe would be a descriptor too.
four=nothing
[ ! -e /proc/$$/fd/4 ] || four=something
echo "passed: ${LISTEN_FDS:-none} ${LISTEN_FDNAMES:-} $(readlink /proc/$$/fd/3) $four"
exec sleep infinity
SCRIPT
chmod +x "$root/usr/bin/kept"
unit=stepzero@web.service
with() {
    dropin $unit <<< "[Service]
ExecStart=
ExecStart=/usr/bin/stepzero exec --credentials instance-profile --spec /etc/stepzero/web.toml -- /usr/bin/kept
RestartSec=1s
$1"
}
crash() { inside kill -SEGV "$(show $unit MainPID)"; }
holds() { [ "$(variable $unit DATABASE_PASSWORD)" = "$1" ]; }
stored() { show $unit NFileDescriptorStore; }
journal() { inside journalctl --no-pager --quiet --unit=$unit --output=cat > "$work/told" && grep -q -- "$1" "$work/told"; }

with ''
inside systemctl start $unit
await 60 inside systemctl is-failed $unit
same 78 "$(show $unit ExecMainStatus)" "without FileDescriptorStoreMax="
journal 'the unit needs FileDescriptorStoreMax=1 and NotifyAccess=main' || fail "it does not say what is missing"
with 'NotifyAccess=main'
inside systemctl restart $unit
await 60 inside systemctl is-failed $unit
same 78 "$(show $unit ExecMainStatus)" "without FileDescriptorStoreMax=, but with NotifyAccess="
inside systemctl reset-failed $unit
proven "a unit that keeps nothing fails with 78, and says which line it lacks"

with $'FileDescriptorStoreMax=1\nNotifyAccess=main'
inside systemctl start $unit
await 60 holds "$password"
await 60 test "$(stored)" = 1
pid=$(show $unit MainPID)
control down
put projectA.production.database_password 'rotated in the outage'
crash
again() { [ "$(show $unit MainPID)" != "$pid" ] && holds "$password"; }
await 60 again
journal 'going on with the last good values' || fail "the journal does not say it"
[[ $(show $unit StatusText) == *'going on with the last good values'* ]] || fail "the status does not say it: $(show $unit StatusText)"
pid=$(show $unit MainPID)
inside systemctl restart --no-block $unit
await 60 again
same 1 "$(stored)" "what is kept after two restarts in an outage"
journal 'passed: none' || fail "the command was passed something"
proven "the store is down: after a crash and a restart the service is up with its old values"

control up
pid=$(show $unit MainPID)
crash
await 60 holds 'rotated in the outage'
control down
pid=$(show $unit MainPID)
crash
newer() { [ "$(show $unit MainPID)" != "$pid" ] && holds 'rotated in the outage'; }
await 60 newer
proven "the store is back: the next start has the new values, and they are what is kept"

# PID 1 keeps them where nobody opens them by name, or sealed.
inside bash -c 'for n in /proc/1/fd/*; do readlink "$n"; done' > "$work/descriptors"
grep -q -e '^/secretmem' -e '^/memfd:stepzero' "$work/descriptors" || fail "PID 1 keeps nothing of ours"
for descriptor in $(inside bash -c 'for n in /proc/1/fd/*; do case $(readlink "$n") in /secretmem*) echo "$n";; esac; done'); do
    ! inside cat "$descriptor" > "$work/opened" 2> /dev/null || fail "$descriptor can be opened"
done

# Revoked: nothing is papered over.
control up
deny 'projectA.production.*'
crash
await 60 inside systemctl is-failed $unit
same 77 "$(show $unit ExecMainStatus)" "the revoked service"
allow
inside systemctl reset-failed $unit
proven "a denial after a revocation keeps the service down"

# A stop forgets them.
inside systemctl start $unit
await 60 holds 'rotated in the outage'
inside systemctl stop $unit
same 0 "$(stored)" "what is kept after a stop"
control down
inside systemctl start $unit
await 60 journal 'status=75/TEMPFAIL'
control up
inside systemctl stop $unit
inside systemctl reset-failed
proven "systemctl stop forgets them"

# Behind a socket of its own.
printf '[Socket]\nListenStream=127.0.0.1:8080\nFileDescriptorName=web\n' > "$root/etc/systemd/system/stepzero@web.socket"
inside systemctl daemon-reload
inside systemctl start stepzero@web.socket $unit
await 60 holds 'rotated in the outage'
await 60 test "$(stored)" = 1
pid=$(show $unit MainPID)
control down
crash
await 60 newer
inside journalctl --no-pager --quiet --unit=$unit --output=cat | grep '^passed:' | tail -n 2 | sort -u > "$work/told"
grep -q '^passed: 1 web socket:\[[0-9]*\] nothing$' "$work/told" && [ "$(wc -l < "$work/told")" = 1 ] \
    || fail "the command was passed: $(cat "$work/told")"
control up
proven "with socket activation: the command has its socket alone, at descriptor 3, with its name"
inside systemctl stop stepzero@web.socket $unit
inside systemctl reset-failed
rm -r "$root"/etc/systemd/system/stepzero* "$root/usr/bin/kept" "$root"/etc/stepzero/*.toml
inside systemctl daemon-reload
put projectA.production.database_password "$password"
