# Sourced by systemd.sh: LoadCredential= from stepzero-credential.socket.
# shellcheck shell=bash

cat > "$root/etc/stepzero/units/app@.toml" <<'SPEC'
project = "projectA"
environment = "production"
[env]
database_password = "database_password"
newrelic_key = "newrelic_key"
not_there = "not_there"
level = { key = "log_level", default = "info" }
maybe = { key = "log_level", optional = true }
SPEC
# Shows what it was given, into a directory that only root reads.
cat > "$root/usr/bin/app" <<'SCRIPT'
#!/bin/bash
exec > "/run/app/$1"
cd "$CREDENTIALS_DIRECTORY"
stat -c '%n %a %u %s' -- *
stat -f -c %T .
for file in *; do echo "$file=$(< "$file")"; done
echo "uid=$(id -u)"
tr '\0' '\n' < /proc/self/environ | sed 's/^/env: /'
SCRIPT
chmod +x "$root/usr/bin/app"
app() { # INSTANCE CREDENTIAL...
    local instance=$1 name
    shift
    {
        printf '[Service]\nType=oneshot\nDynamicUser=yes\nRuntimeDirectory=app\nRuntimeDirectoryPreserve=yes\nProtectSystem=strict\n'
        printf 'ExecStart=/usr/bin/app %%i\n'
        for name; do printf 'LoadCredential=%s:/run/stepzero.sock\n' "$name"; done
    } > "$root/etc/systemd/system/app@$instance.service"
    inside systemctl daemon-reload
    inside systemctl start "app@$instance.service" 2> /dev/null
}
given() { inside cat "/run/app/$1"; }
never_ran() {
    same "243 exit-code" "$(show "app@$1.service" ExecMainStatus) $(show "app@$1.service" Result)" "app@$1"
    ! inside test -e "/run/app/$1" || fail "app@$1 ran"
}

inside systemctl start stepzero-credential.socket
same "600 0" "$(inside stat -c '%a %u' /run/stepzero.sock)" "the socket's mode and owner"
app good database_password newrelic_key level maybe || fail "app@good: $(inside journalctl --no-pager -n 30)"
given good > "$work/given"
for line in "database_password=$password" "newrelic_key=$newrelic" level=info maybe=; do
    grep -qxF -- "$line" "$work/given" || fail "app@good was not given $line, but: $(grep -v ^env: "$work/given")"
done
# The service's own; or, with systemd 257, root's with an access list that names the service's user.
grep -qxE "database_password (400 $(sed -n 's/^uid=//p' "$work/given")|440 0) ${#password}" "$work/given" \
    || fail "whose it is: $(grep -v ^env: "$work/given")"
# ramfs where the kernel lets systemd have it: it is never swapped.
grep -qx -e ramfs -e tmpfs "$work/given" || fail "the credentials are on no memory: $(stat -f "$work/given")"
! grep '^env: ' "$work/given" | grep -qF -e "$password" -e AWS_ACCESS || fail "a value is in the environment"
proven "LoadCredential= gives a file, readable by the service alone, in memory, and no variable"

uid=$(sed -n 's/^uid=//p' "$work/given")
[ "$uid" -ge 61184 ] || fail "app@good ran as $uid"
if inside setpriv --reuid=65534 --clear-groups python3 -c 'import socket; socket.socket(socket.AF_UNIX).connect("/run/stepzero.sock")' 2> "$work/refused"
then fail "somebody else than root connects"; fi
grep -q PermissionError "$work/refused" || fail "not for the permission: $(cat "$work/refused")"
inside chmod 666 /run/stepzero.sock
inside setpriv --reuid=65534 --clear-groups python3 -c '
import socket
peer = socket.socket(socket.AF_UNIX)
peer.bind("\0beef/unit/app@good.service/database_password")
peer.connect("/run/stepzero.sock")
data = b""
while part := peer.recv(65536):
    data += part
assert data == bytes(1024 * 1024 + 1), len(data)'
inside chmod 600 /run/stepzero.sock
inside journalctl --no-pager | grep -q 'the peer is not root' || fail "the refused peer is not in the journal"
proven "only root may connect, by the socket's mode and by the peer's credentials"

# More at once than systemd's own limits, each of which would end in an empty credential or in a dead socket.
inside python3 -c '
import collections, socket, sys, threading
def ask(number):
    peer = socket.socket(socket.AF_UNIX)
    peer.bind(f"\0{number:x}/unit/app@good.service/level")
    peer.connect("/run/stepzero.sock")
    return b"".join(iter(lambda: peer.recv(65536), b""))
answers = collections.Counter()
def one(number):
    try: answers[ask(number)[:10]] += 1
    except OSError as error: answers[str(error)] += 1
threads = [threading.Thread(target=one, args=(number,)) for number in range(220)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert answers == {b"info": 220}, answers' || fail "220 credentials at once"
proven "220 credentials at once: none is lost"

inside bash -c 'rm /run/app/*'
! app unknown nonsense || fail "an unknown credential starts the unit"
never_ran unknown
! app missing not_there || fail "a missing parameter starts the unit"
never_ran missing
deny 'shared.*'
! app denied newrelic_key || fail "a denied parameter starts the unit"
never_ran denied
allow
printf 'nonsense = 1\n' > "$root/etc/stepzero/units/app@wrong.toml"
! app wrong level || fail "a wrong spec starts the unit"
never_ran wrong
inside journalctl --no-pager > "$work/status"
for line in 'for the credential nonsense of app@unknown.service' 'for the credential not_there of app@missing.service' \
    'for the credential newrelic_key of app@denied.service' 'app@wrong.toml:1:1: unknown key'; do
    grep -qF "$line" "$work/status" || fail "the journal does not say: $line"
done
proven "an unknown, missing or denied credential and a wrong spec fail the unit, and the journal says why"

# The documentation's own steps, with a service that knows nothing of stepzero.
printf '[Service]\nExecStart=/usr/bin/web\n' > "$root/etc/systemd/system/web.service"
documented systemd toml 1 > "$root/etc/stepzero/units/web.toml"
documented systemd ini 3 | dropin web.service
put projectA.production.tls_key "$(printf 'not\0text' | base64)"
inside systemctl start web.service
kept() { inside sh -c "cat /run/credentials/web.service/$1 | od -An -c"; }
await 60 inside test -s /run/credentials/web.service/tls.key
same "$(printf 'not\0text' | od -An -c)" "$(kept tls.key)" "the decoded credential"
same "$(printf %s "$password" | od -An -c)" "$(kept database_password)" "the documented credential"
! inside setpriv --reuid=65534 --regid=65534 --clear-groups cat /run/credentials/web.service/database_password 2> /dev/null \
    || fail "somebody else reads the credential"
inside systemctl stop web.service
# A spec that only root reads: the socket's service is not root.
chmod 600 "$root/etc/stepzero/units/web.toml"
inside systemctl start web.service 2> /dev/null || true
await 60 inside systemctl is-failed web.service
inside journalctl --no-pager -u 'stepzero-credential@*' > "$work/status"
grep -q 'units/web.toml cannot be read: permission denied' "$work/status" || fail "no word about the spec: $(tail "$work/status")"
rm -r "$root"/etc/systemd/system/web.service "$root"/etc/systemd/system/web.service.d
proven "docs/systemd.md: the spec and the drop-in for credentials, and a spec that only root reads is refused"

# A fetch that is cut short: by a stop, and by a store that never answers.
control fault '{"action": "hang", "service": "ssm"}'
control clear-log
inside systemd-run --quiet --no-block systemctl start app@good.service
asked() { log | grep -q GetParameters; }
await 60 asked
inside systemctl stop 'stepzero-credential@*.service'
await 60 inside systemctl is-failed app@good.service
never_ran good
control clear-faults
proven "stepzero stopped in the middle is a failed unit, and not an empty credential"
inside systemctl stop stepzero-credential.socket
inside systemctl reset-failed
rm -r "$root"/etc/systemd/system/app@* "$root"/usr/bin/app "$root"/etc/stepzero/units/*
inside systemctl daemon-reload
