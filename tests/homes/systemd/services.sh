# Sourced by systemd.sh: services that are started through stepzero.
# shellcheck shell=bash

show() { inside systemctl show --value --property="$2" "$1"; }
dropin() {
    mkdir -p "$root/etc/systemd/system/$1.d"
    cat > "$root/etc/systemd/system/$1.d/test.conf"
    inside systemctl daemon-reload
}
# Fails while there is none.
variable() { inside grep -zaoP "^$2=\K.*" "/proc/$(show "$1" MainPID)/environ" > "$work/variable" && tr -d '\0' < "$work/variable"; }

cat > "$root/etc/stepzero/web.toml" <<'SPEC'
project = "projectA"
environment = "production"
[env]
DATABASE_PASSWORD = "database_password"
DATABASE_USERNAME = "database_username"
NEWRELIC_KEY = "newrelic_key"
SPEC
cp "$root/etc/stepzero/web.toml" "$root/etc/stepzero/down.toml"
cp "$root/etc/stepzero/web.toml" "$root/etc/stepzero/denied.toml"
for name in down denied; do ln -s web "$root/usr/bin/$name"; done

# Type=exec: the template as it is.
inside systemctl start stepzero@web.service
same active "$(show stepzero@web.service ActiveState)" "stepzero@web"
# With Type=exec it is active while stepzero still fetches.
await 60 variable stepzero@web.service DATABASE_PASSWORD
same "$password" "$(variable stepzero@web.service DATABASE_PASSWORD)" "DATABASE_PASSWORD"
same db_user "$(variable stepzero@web.service DATABASE_USERNAME)" "DATABASE_USERNAME"
same "$newrelic" "$(variable stepzero@web.service NEWRELIC_KEY)" "NEWRELIC_KEY"
pid=$(show stepzero@web.service MainPID)
same "/usr/bin/python3 /usr/bin/web " "$(inside tr '\0' ' ' < "/proc/$(leader)/root/proc/$pid/cmdline")" "the main PID's command"
log > "$work/seen"
grep -q 'md/unit#stepzero-web.service' "$work/seen" || fail "AWS is not told the unit: $(cat "$work/seen")"
! inside pgrep -x stepzero > /dev/null || fail "stepzero is still there"
[ "$(inside awk '/^Uid/ {print $2}' "/proc/$pid/status")" -ge 61184 ] || fail "no dynamic user"
same 1 "$(inside awk '/^NoNewPrivs/ {print $2}' "/proc/$pid/status")" "NoNewPrivs"
same 0000000000000000 "$(inside awk '/^CapBnd/ {print $2}' "/proc/$pid/status")" "CapBnd"
same 2 "$(inside awk '/^Seccomp:/ {print $2}' "/proc/$pid/status")" "Seccomp"
same 0 "$(inside awk '/^Max core/ {print $6}' "/proc/$pid/limits")" "LimitCORE"
inside journalctl --no-pager --identifier=web > "$work/status"
grep -q 'the command says hello' "$work/status" || fail "the journal does not call the command's lines its own"
show stepzero@web.service After | grep -qw network-online.target || fail "it does not wait for the network"
inside systemd-analyze security --no-pager --threshold=25 stepzero@web.service > "$work/security" \
    || fail "the unit is exposed: $(tail -n 1 "$work/security")"
proven "Type=exec: the three variables, hardened, and the main PID is the command's"

began=$SECONDS
inside systemctl stop stepzero@web.service
[ $((SECONDS - began)) -lt 10 ] || fail "the stop took $((SECONDS - began)) s"
same "5 exit-code" "$(show stepzero@web.service ExecMainStatus) $(show stepzero@web.service Result)" "the command's own end"
proven "systemctl stop reaches the command at once, and its status is its own"

# Type=notify.
dropin stepzero@web.service <<< $'[Service]\nType=notify'
inside systemctl start stepzero@web.service
same "the command is up" "$(show stepzero@web.service StatusText)" "the command's sd_notify"
same main "$(show stepzero@web.service NotifyAccess)" "NotifyAccess"
proven "Type=notify: the command's own READY=1 counts"
inside systemctl stop stepzero@web.service

# What the documentation puts into `systemctl edit`, as it stands there.
install -D "$root/usr/bin/web" "$root/opt/web/start"
documented systemd ini 1 | dropin stepzero@web.service
inside systemctl start stepzero@web.service || fail "the documented drop-in: $(inside journalctl --no-pager -n 20 -u stepzero@web)"
same "/opt/web/start --port 80" "$(inside tr '\0' ' ' < "/proc/$(leader)/root/proc/$(show stepzero@web.service MainPID)/cmdline" \
    | cut -d' ' -f2-4)" "the documented command"
same "$password" "$(variable stepzero@web.service DATABASE_PASSWORD)" "its DATABASE_PASSWORD"
same /var/lib/web "$(variable stepzero@web.service STATE_DIRECTORY)" "its state"
inside systemctl stop stepzero@web.service
rm -r "$root/opt/web" "$root"/var/lib/{web,private/web}
proven "docs/systemd.md: the drop-in with another command, a port below 1024, a state directory"

# Socket activation.
cat > "$root/etc/systemd/system/stepzero@web.socket" <<'UNIT'
[Socket]
ListenStream=127.0.0.1:8080
FileDescriptorName=front
UNIT
dropin stepzero@web.service <<< $'[Service]\nType=exec'
inside systemctl start stepzero@web.socket
answer() { inside bash -c 'exec 4<> /dev/tcp/127.0.0.1/8080 && timeout 30 cat <&4'; }
same "1 front db_user" "$(answer)" "what the socket-activated command answers"
same "1 front db_user" "$(answer)" "the second connection"
proven "socket activation survives: LISTEN_PID, LISTEN_FDS and descriptor 3"
inside systemctl stop stepzero@web.socket stepzero@web.service

# An existing service, with the drop-in from the package.
printf '[Service]\nExecStart=/usr/bin/web\n' > "$root/etc/systemd/system/web.service"
mkdir -p "$root/etc/systemd/system/web.service.d"
cp "$root/usr/share/doc/stepzero/examples/10-stepzero.conf" "$root/etc/systemd/system/web.service.d/"
inside systemctl daemon-reload
inside systemctl start web.service
await 60 variable web.service DATABASE_PASSWORD
same "$password" "$(variable web.service DATABASE_PASSWORD)" "the drop-in's service"
inside systemctl stop web.service
rm -r "$root/etc/systemd/system/web.service" "$root/etc/systemd/system/web.service.d"
proven "the drop-in gives an existing service its variables"

# A denied parameter.
role=$(inside bash -c 't=$(curl -sX PUT -H "X-aws-ec2-metadata-token-ttl-seconds: 60" http://169.254.169.254/latest/api/token)
    curl -s -H "X-aws-ec2-metadata-token: $t" http://169.254.169.254/latest/meta-data/iam/security-credentials/')
deny() { control policy "{\"role\": \"$role\", \"policy\": {\"Statement\": [
    {\"Effect\": \"Allow\", \"Action\": \"*\", \"Resource\": \"*\"},
    {\"Effect\": \"Deny\", \"Action\": \"ssm:GetParameters\", \"Resource\": \"*:parameter/$1\"}]}}"; }
allow() { control policy "{\"role\": \"$role\", \"policy\": null}"; }
deny 'projectA.production.*'
inside systemctl start --no-block stepzero@denied.service
await 60 test "$(show stepzero@denied.service ActiveState)" != inactive
await 60 inside systemctl is-failed stepzero@denied.service
same "77 0 exit-code" "$(show stepzero@denied.service ExecMainStatus) $(show stepzero@denied.service NRestarts) $(
    show stepzero@denied.service Result)" "the denied service"
inside systemctl status --no-pager stepzero@denied.service > "$work/status" || true
grep -q 'status=77/NOPERM' "$work/status" || fail "no 77/NOPERM in $(cat "$work/status")"
allow
proven "a denied parameter is status=77/NOPERM, and not restarted"

# A store that is down.
dropin stepzero@down.service <<< $'[Service]\nType=notify\nRestartSec=1s\nEnvironment=STEPZERO_TIMEOUT=6s'
control down
inside systemctl start --no-block stepzero@down.service
waiting() { [[ $(show stepzero@down.service StatusText) == *"waiting for Parameter Store"* ]]; }
await 60 waiting
restarted() { [ "$(show stepzero@down.service NRestarts)" -ge 1 ]; }
await 60 restarted
control up
await 60 inside systemctl is-active stepzero@down.service
same "the command is up" "$(show stepzero@down.service StatusText)" "the recovered service"
same "$password" "$(variable stepzero@down.service DATABASE_PASSWORD)" "the recovered service's variable"
inside journalctl --no-pager -u stepzero@down.service > "$work/status"
grep -q 'status=75/TEMPFAIL' "$work/status" || fail "no 75/TEMPFAIL in $(cat "$work/status")"
inside systemctl stop stepzero@down.service
proven "a store that is down is waited for, retried, and recovers"
# The watchdog of a unit that waits for longer than its limit.
dropin stepzero@down.service <<< $'[Service]\nType=exec\nWatchdogSec=2\nRestart=no\nEnvironment=STEPZERO_TIMEOUT=60s'
control down
inside systemctl start --no-block stepzero@down.service
await 60 waiting
# The status that was told once more: the wait has outlasted the limit.
first=$(show stepzero@down.service StatusText)
another() { [[ $(show stepzero@down.service StatusText) == *"waiting for Parameter Store"* \
    && $(show stepzero@down.service StatusText) != "$first" ]]; }
await 60 another
same "active success" "$(show stepzero@down.service ActiveState) $(show stepzero@down.service Result)" "the watched service"
control up
inside systemctl stop stepzero@down.service
proven "WatchdogSec=2 does not end a start that waits for the store"
inside systemctl reset-failed
rm -r "$root"/etc/systemd/system/stepzero@* "$root"/usr/bin/{down,denied} "$root"/etc/stepzero/*.toml
inside systemctl daemon-reload
