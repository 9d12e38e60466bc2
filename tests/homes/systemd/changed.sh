# Sourced by systemd.sh: a parameter that is rotated reaches its service by the timer.
# shellcheck shell=bash

cat > "$root/etc/stepzero/web.toml" <<'SPEC'
project = "projectA"
environment = "production"
[env]
DATABASE_PASSWORD = "database_password"
[files]
USERNAME_FILE = "database_username"
SPEC
# A command that cannot live with one value.
cat > "$root/usr/bin/picky" <<'SCRIPT'
#!/bin/sh
[ "$DATABASE_PASSWORD" != "of no use" ] || exit 3
exec sleep infinity
SCRIPT
chmod +x "$root/usr/bin/picky"
dropin stepzero@web.service <<< $'[Service]\nExecStart=\nExecStart=/usr/bin/stepzero exec --credentials instance-profile --spec /etc/stepzero/%i.toml -- /usr/bin/picky\nRestart=no'
changed=stepzero-changed@stepzero@web
dropin $changed.timer <<< $'[Timer]\nOnCalendar=\nOnCalendar=*:*:0/2\nRandomizedDelaySec=0'
dropin $changed.service <<< $'[Unit]\nStartLimitIntervalSec=0\n[Service]\nEnvironment=SPREAD=1ms'
told() { inside journalctl --no-pager --quiet --unit=$changed.service --output=cat > "$work/told" && grep -q -- "$1" "$work/told"; }
holds() { [ "$(variable stepzero@web.service DATABASE_PASSWORD)" = "$1" ]; }

# What EventBridge's event makes Run Command do, as the agent does it: as root, by sh, and without the timer.
AWS_ACCESS_KEY_ID=x AWS_SECRET_ACCESS_KEY=x "$venv/bin/python" -B tests/homes/rotation.py "$root/usr/bin/run-command" \
    || fail "the rotation stacks on moto"
proven "the rotation stacks: the events of a service's parameters start what they may do, and nothing else"
run_command() { inside env AWS_CA_BUNDLE=/etc/fake-ca.pem sh /usr/bin/run-command > "$work/command" 2>&1; }
# It is being started: that is waited for.
inside systemctl start stepzero@web.service
run_command || fail "Run Command, where nothing changed: $(cat "$work/command")"
holds "$password" || fail "the service is not up: $(cat "$work/command")"
pid=$(show stepzero@web.service MainPID)
run_command || fail "Run Command, once more: $(cat "$work/command")"
same "$pid" "$(show stepzero@web.service MainPID)" "the main process after a Run Command for nothing"
put projectA.production.database_password 'a value by command'
run_command || fail "Run Command: $(cat "$work/command")"
holds 'a value by command' || fail "the service has the old value: $(cat "$work/command")"
! grep -qF 'a value by command' "$work/command" || fail "the value is in the output of Run Command"
put projectA.production.database_password 'of no use'
! run_command || fail "Run Command does not fail with a service that does not stay up: $(cat "$work/command")"
proven "the commands of the rotation stack restart a service whose parameter changed, and fail where it does not stay up"
put projectA.production.database_password "$password"
inside systemctl reset-failed stepzero@web.service

inside systemctl start stepzero@web.service $changed.timer
await 60 holds "$password"
await 60 told 'nothing changed: 2 variables'
same 0 "$(show stepzero@web.service NRestarts)" "restarts while nothing changed"
put projectA.production.database_password 'a rotated password'
await 60 holds 'a rotated password'
told 'DATABASE_PASSWORD: projectA.production.database_password version 5 since .*, the process has another value' \
    || fail "the journal does not say which: $(cat "$work/told")"
proven "a rotated parameter reaches its service by the timer, and the journal says which"

pid=$(show stepzero@web.service MainPID)
put projectA.shared.database_username 'another user'
another() { [ "$(show stepzero@web.service MainPID)" != "$pid" ] && holds 'a rotated password'; }
await 60 another
told 'USERNAME_FILE: projectA.shared.database_username version 2' || fail "the file is not told: $(cat "$work/told")"
proven "what changed is in sealed memory: the service of another user can be looked into"

# An outage is no change, and no failure.
dropin $changed.service <<< $'[Unit]\nStartLimitIntervalSec=0\n[Service]\nEnvironment=SPREAD=1ms STEPZERO_TIMEOUT=2s'
pid=$(show stepzero@web.service MainPID)
control down
await 60 told 'gave up on'
control up
await 60 told 'nothing changed: 2 variables'
same "$pid" "$(show stepzero@web.service MainPID)" "the main process after an outage"
! inside systemctl is-failed --quiet $changed.service || fail "an outage fails the unit"
proven "an outage restarts nothing"

# A value that the service cannot live with: restarted once.
put projectA.production.database_password 'of no use'
await 60 inside systemctl is-failed stepzero@web.service
same 3 "$(show stepzero@web.service ExecMainStatus)" "the service that failed"
began=$(show stepzero@web.service ExecMainStartTimestampMonotonic)
await 60 told 'stepzero@web.service has no main process: it is failed'
same "$began" "$(show stepzero@web.service ExecMainStartTimestampMonotonic)" "the last start"
proven "a restart that failed is not repeated"

inside systemctl stop $changed.timer $changed.service
inside systemctl reset-failed
rm -r "$root"/etc/systemd/system/stepzero* "$root"/usr/bin/{picky,run-command} "$root"/etc/stepzero/*.toml
inside systemctl daemon-reload
put projectA.production.database_password "$password"
put projectA.shared.database_username db_user
