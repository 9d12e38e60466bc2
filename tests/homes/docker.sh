#!/bin/bash
# The static binary as a FROM scratch image, in a real Docker engine. The fake is a container beside it: Systems Manager
# under its real name (by the engine's DNS), IMDS and the container credentials under their real addresses: while this runs,
# an EC2 instance does not reach its own.
set -euo pipefail
cd "$(dirname "$0")/../.."
suite=docker
source tests/homes/common.sh
[ "$(id -u)" = 0 ] || skip "it needs root"
need docker docker.io
need iptables iptables
need busybox busybox-static
# The other package of that name needs a C library.
! ldd "$(command -v busybox)" > /dev/null 2>&1 || packages busybox-static
need curl curl
need ip iproute2
judges
build

# --- the engine: the one that runs, or one of our own ---------------------------------------------------------------
password='d)Dmfj@)(dJF!hp'
work=$(mktemp -d)
clean() {
    docker rm --force $(docker ps --all --quiet --filter label=stepzero-test) > /dev/null 2>&1 || true
    docker network rm stepzero-test > /dev/null 2>&1 || true
    docker image rm --force stepzero-test stepzero-test-app stepzero-test-checked stepzero-test-copied stepzero-test-fake > /dev/null 2>&1 || true
    stop_docker "$work"
    rm -rf "$work"
}
trap clean EXIT
trap 'exit 1' INT TERM
export DOCKER_BUILDKIT=0 DOCKER_CONFIG=$work/config
start_docker "$work"
proven "Docker $(docker version --format '{{.Server.Version}}')"

# --- images ---------------------------------------------------------------------------------------------------------
mkdir "$work/image" "$work/fake"
image() { docker build --quiet "$@" > /dev/null 2> "$work/err" || fail "docker build: $(cat "$work/err")"; }
# As the documentation has it, but for the image's name.
documented containers sh 1 | sed "s/ -t stepzero / -t stepzero-test /; s:target/dist/[^ ]*:$dist:" > "$work/build"
sh -e "$work/build" > /dev/null 2> "$work/err" || fail "the documented docker build: $(cat "$work/err")"
cp "$(command -v busybox)" "$work/image/busybox"
image --tag stepzero-test-app --file - "$work/image" <<< $'FROM stepzero-test\nCOPY busybox /bin/sh\nCOPY busybox /bin/cat\nCOPY busybox /bin/id'
printf '#!/bin/sh\necho "$DATABASE_PASSWORD $(id -u)"\n' > "$work/image/web"
chmod +x "$work/image/web"
{
    printf 'FROM scratch\nCOPY busybox /bin/sh\nCOPY busybox /bin/id\nCOPY web /usr/bin/web\n'
    documented containers dockerfile 1 | sed 's/=stepzero /=stepzero-test /'
} > "$work/Dockerfile"
image --tag stepzero-test-copied --file "$work/Dockerfile" "$work/image"
same /stepzero "$(docker export "$(docker create --label stepzero-test stepzero-test /x)" | tar -t | grep -v -e '/$' -e '^dev/' -e '^etc/' -e .dockerenv | sed 's:^:/:')" \
    "the files of the image"
token=a-token-of-this-test
printf '{"container_token": "%s"}' "$token" > "$work/fake/config.json"
(cp target/debug/fake-aws "$work/fake/" && cd "$work/fake" && ldd fake-aws | grep -o '/[^ ]*' | xargs -I@ cp --parents -L @ .)
image --tag stepzero-test-fake --file - "$work/fake" <<< $'FROM scratch\nCOPY . /\nENTRYPOINT ["/fake-aws"]'
proven "the image is the binary alone ($(stat -c %s "$dist/stepzero") bytes)"

# --- the fake -------------------------------------------------------------------------------------------------------
docker network create --subnet 169.254.160.0/20 stepzero-test > /dev/null
fake=$(docker run --detach --label stepzero-test --network stepzero-test --ip 169.254.170.23 --tmpfs /tmp \
    --network-alias ssm.us-east-1.amazonaws.com stepzero-test-fake \
    --config /config.json --listen 0.0.0.0:443 --imds-listen 0.0.0.0:80 --control 0.0.0.0:8099 --ca-out /ca.pem)
control() { curl -fsS --max-time 10 -X "${3:-POST}" "http://169.254.170.23:8099/$1" -d "${2:-}" > "$work/answer"; }
log() { control log '' GET && cat "$work/answer"; }
await 30 control health '' GET
nsenter --target "$(docker inspect --format '{{.State.Pid}}' "$fake")" --net ip address add 169.254.169.254/20 dev eth0
nsenter --target "$(docker inspect --format '{{.State.Pid}}' "$fake")" --net ip address add 169.254.170.2/20 dev eth0
docker cp "$fake:/ca.pem" "$work/ca.pem" 2> /dev/null && chmod 644 "$work/ca.pem"
control put "{\"name\": \"projectA.production.database_password\", \"value\": \"$password\", \"type\": \"SecureString\"}" > /dev/null
endpoint=$(docker logs "$fake" | grep -o '"container_url":"[^"]*' | cut -d'"' -f4 | sed 's|//[^/]*/|//169.254.170.23/|')

hardened=(--label stepzero-test --network stepzero-test --read-only --cap-drop ALL --security-opt no-new-privileges
    --volume "$work/ca.pem:/ca.pem:ro" --env AWS_CA_BUNDLE=/ca.pem)
reference=(--env "DATABASE_PASSWORD=ssm:projectA.production.database_password")

# --- proofs ---------------------------------------------------------------------------------------------------------
got=$(docker run --rm "${hardened[@]}" "${reference[@]}" stepzero-test-app /bin/sh -c \
    'echo "$DATABASE_PASSWORD"; echo $$; id -u; id -g; cat /proc/self/status; [ -e /etc/passwd ] || echo no passwd
    ( : > /file ) 2> /dev/null || echo read-only' 2> "$work/err") || fail "the app: $(cat "$work/err")"
same "$password" "$(sed -n 1p <<< "$got")" "the value"
same "1 65534 65534" "$(sed -n 2,4p <<< "$got" | xargs)" "PID, user and group of the app"
grep -q '^CapBnd:[[:space:]]*0*$' <<< "$got" || fail "it has capabilities"
grep -q '^Seccomp:[[:space:]]*2$' <<< "$got" || fail "no seccomp"
grep -q '^no passwd$' <<< "$got" || fail "there is an /etc/passwd"
grep -q '^read-only$' <<< "$got" || fail "the root can be written"
proven "as entrypoint with CMD, from a scratch image: the app is PID 1, the name was resolved, the role came through IMDS"
documented containers sh 2 | sed 's/^docker run /docker run --rm "$@" /; s/ web$/ stepzero-test-copied/' > "$work/run-web"
same "$password 65534" "$(bash -e "$work/run-web" "${hardened[@]}")" "the documented docker run"
proven "docs/containers.md: docker build, COPY --from into another image, docker run"

started() { docker logs "$1" | grep -q started; }
app=$(docker run --detach "${hardened[@]}" "${reference[@]}" stepzero-test-app /bin/sh -c \
    'trap "exit 7" TERM; echo started; while :; do read -t 1 -r x < /dev/zero || :; done')
await 60 started "$app"
began=$SECONDS
docker stop --time 60 "$app" > /dev/null
[ $((SECONDS - began)) -lt 20 ] || fail "docker stop took $((SECONDS - began)) s"
same 7 "$(docker inspect --format '{{.State.ExitCode}}' "$app")" "the app's own status"
proven "docker stop ends the app at once, with its own status"

control fault '{"action": "hang", "service": "ssm"}'
control clear-log
app=$(docker run --detach "${hardened[@]}" "${reference[@]}" stepzero-test-app /bin/sh -c 'echo started')
asked() { log | grep -q GetParameters; }
await 60 asked
docker stop --time 60 "$app" > /dev/null
same 143 "$(docker inspect --format '{{.State.ExitCode}}' "$app")" "docker stop during the fetch"
[ -z "$(docker logs "$app")" ] || fail "the app ran"
control clear-faults
proven "docker stop during the fetch is 143, and the app never ran"

# Credentials of the container: the token in a file, as EKS Pod Identity has it, or in a variable; and by a path alone, as
# ECS has it.
printf %s "$token" > "$work/token" && chmod 644 "$work/token"
full="--env AWS_CONTAINER_CREDENTIALS_FULL_URI=$endpoint"
for how in "$full --env AWS_CONTAINER_AUTHORIZATION_TOKEN=$token" \
    "$full --volume $work/token:/token:ro --env AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=/token" \
    "--env AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/${endpoint#*//*/} --env AWS_CONTAINER_AUTHORIZATION_TOKEN=$token"; do
    control clear-log > /dev/null
    # shellcheck disable=SC2086 # a list
    got=$(docker run --rm "${hardened[@]}" "${reference[@]}" $how --env AWS_REGION=us-east-1 \
        stepzero-test-app /bin/sh -c 'echo "$DATABASE_PASSWORD"')
    same "$password" "$got" "through the container endpoint"
    log > "$work/seen"
    grep -q GetCredentials "$work/seen" || fail "the container endpoint was not asked"
    ! grep -q PutToken "$work/seen" || fail "IMDS was asked"
done
code() { local code=0; docker run --rm "$@" > "$work/out" 2> "$work/err" || code=$?; echo "$code"; }
[ 0 != "$(code "${hardened[@]}" "${reference[@]}" --env STEPZERO_TIMEOUT=3s --env AWS_REGION=us-east-1 --env AWS_CONTAINER_AUTHORIZATION_TOKEN=wrong \
    --env "AWS_CONTAINER_CREDENTIALS_FULL_URI=$endpoint" stepzero-test-app /bin/sh -c 'echo ran')" ] && [ ! -s "$work/out" ] || fail "a wrong token starts the app"
proven "credentials through the container endpoint, by its address or its path, with its token in a variable or in a file"

control hop-limit '{"exceeded": true}'
same 77 "$(code "${hardened[@]}" "${reference[@]}" stepzero-test-app /bin/sh -c 'echo ran')" "hop limit 1"
grep -q 'hop limit' "$work/err" || fail "no word about the hop limit: $(cat "$work/err")"
[ ! -s "$work/out" ] || fail "the app ran"
control hop-limit '{"exceeded": false}'
proven "IMDS behind a hop limit of 1 is NOPERM, and the message says so"

same 78 "$(code "${hardened[@]}" "${reference[@]}" --env AWS_CA_BUNDLE= stepzero-test-app /bin/sh -c 'echo ran')" "an unknown authority"
grep -qi certificate "$work/err" || fail "no word about the certificate: $(cat "$work/err")"
proven "with no CA bundle anywhere, an unknown authority is refused"

mkdir "$work/spec"
printf '[files]\nPASSWORD = { parameter = "projectA.production.database_password" }\n' > "$work/spec/s.toml"
same "$password" "$(docker run --rm "${hardened[@]}" --env STEPZERO_SPEC=/spec/s.toml --volume "$work/spec:/spec:ro" \
    stepzero-test-app /bin/sh -c 'cat "$PASSWORD"')" "a sealed file in a read-only container"
proven "[files] works on a read-only root"

# The documented health check, with an interval for this test.
{
    printf 'FROM stepzero-test-app\n'
    documented containers dockerfile 2 | sed 's/--interval=5m/--interval=1s/; s/"30m"/"1ms"/; s/"15s"/"2s"/'
} > "$work/Dockerfile"
image --tag stepzero-test-checked --file "$work/Dockerfile" "$work/image"
app=$(docker run --detach "${hardened[@]}" "${reference[@]}" stepzero-test-checked /bin/sh -c \
    'echo started; while :; do read -t 1 -r x < /dev/zero || :; done')
health() { [ "$(docker inspect --format '{{.State.Health.Status}}' "$app")" = "$1" ]; }
checked() { docker inspect --format '{{range .State.Health.Log}}{{.ExitCode}} {{.Output}}{{end}}' "$app" > "$work/health" && grep -q "$1" "$work/health"; }
await 60 health healthy
checked '0 nothing changed: 1 variable' || fail "the health check says: $(cat "$work/health")"
control down
await 60 checked 'gave up on Parameter Store'
health healthy || fail "an outage makes the container unhealthy"
control up
await 60 checked 'nothing changed'
control put '{"name": "projectA.production.database_password", "value": "a rotated one", "type": "SecureString"}' > /dev/null
await 60 health unhealthy
checked '1 DATABASE_PASSWORD: projectA.production.database_password version 2' || fail "it says: $(cat "$work/health")"
! grep -q -e 'a rotated one' -e "$password" "$work/health" || fail "a value is in the health check's output"
control put "{\"name\": \"projectA.production.database_password\", \"value\": \"$password\", \"type\": \"SecureString\"}" > /dev/null
await 60 health healthy
docker kill "$app" > /dev/null
proven "docs/containers.md: the health check is unhealthy after a rotation, and healthy in an outage"

"$venv/bin/python" tests/homes/examples.py || fail "the examples for ECS and Kubernetes"
proven "the ECS task definition, the Kubernetes pod and its liveness probe are such, and start what the image has"
