# Shared by the suites of the homes, sourced from the root of the repository. Bash.
# shellcheck shell=bash

# A suite that cannot run says so, and fails where nothing may be skipped.
skip() {
    echo "SKIPPED homes/$suite: $*"
    [ -z "${STEPZERO_NO_SKIP:-}" ] && exit 0
    exit 1
}

fail() {
    echo "FAILED homes/$suite: $*" >&2
    exit 1
}

proven() { echo "ok   homes/$suite: $*"; }

# Debian packages, unless the command is there: need COMMAND PACKAGE...
need() {
    local command=$1
    shift
    command -v "$command" > /dev/null || packages "$@"
}

# packages [OPTION]... PACKAGE...
packages() {
    command -v apt-get > /dev/null || skip "$* missing, and there is no apt-get"
    [ "$(id -u)" = 0 ] || skip "$* missing, and only root can install"
    echo "installing $*"
    { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$@"; } \
        > /dev/null 2>&1 < /dev/null || skip "$* could not be installed"
}

# The shipped binary and the fake, built once for all suites: target/dist, target/debug.
target=$(uname -m)-unknown-linux-gnu
dist=$PWD/target/dist/$target
build() {
    packaging/build.sh > /dev/null || fail "the release build"
    # `cargo test` leaves the fake there; with -p alone, what both need would be compiled once more.
    if [ ! -x target/debug/fake-aws ] || [ -n "$(find tests/fake-aws -newer target/debug/fake-aws -name '*.rs')" ]; then
        cargo build --quiet --locked --package fake-aws --bin fake-aws || fail "the build of fake-aws"
    fi
}

# The Python of the judges that nobody here wrote: $venv/bin/python.
judges() {
    venv=${STEPZERO_VENV:-target/venv}
    local import='import boto3, cfnlint, kubernetes_validate, moto'
    "$venv/bin/python" -c "$import" 2> /dev/null && return
    { python3 -m venv "$venv" && "$venv/bin/pip" install --quiet --requirement tests/moto/requirements.txt \
        --requirement tests/requirements.txt; } > /dev/null 2>&1 || skip "no virtual environment with moto and linters can be made"
    "$venv/bin/python" -c "$import" || fail "the Python packages"
}

# The text of a fenced block of docs/homes.md, or of FILE, so that what stands there is what is proven:
# documented LANGUAGE NUMBER [FILE]
documented() {
    awk -v fence="\`\`\`$1" -v wanted="$2" '$0 == fence && ++seen == wanted { inside = 1; next } /^```/ { inside = 0 } inside
        END { exit seen < wanted }' "${3:-docs/homes.md}" || fail "${3:-docs/homes.md} has no block $2 of $1"
}

# Tries a condition again until it holds, for at most so many seconds: await SECONDS COMMAND...
await() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@" > /dev/null 2>&1; do
        [ "$SECONDS" -lt "$deadline" ] || fail "in time: $*"
        sleep 0.1
    done
}

same() {
    [ "$1" = "$2" ] || fail "$3: expected '$1', got '$2'"
}

# A root of a Debian release below target/roots, made once for all suites: make_debian RELEASE. It has the resolver's modules
# that the suite `userlands` asks for: where they are missing, nothing is loaded, and nothing can go wrong.
roots_cache=$PWD/target/roots
make_debian() {
    local modules=libnss-myhostname,libnss-resolve,libnss-mymachines,libnss-sss,libnss-ldapd
    [ -e "$roots_cache/$1.complete" ] && return
    mkdir -p "$roots_cache"
    rm -rf "${roots_cache:?}/$1"
    mmdebstrap --quiet --variant=minbase --include="$modules" "$1" "$roots_cache/$1" http://deb.debian.org/debian \
        > "$roots_cache/$1.log" 2>&1 < /dev/null || return 1
    touch "$roots_cache/$1.complete"
}

# A Docker engine: the one that runs, or one of our own, with its files in directory $1. Sets $engine to the process that
# has to be ended by stop_docker.
engine=
start_docker() {
    docker info > /dev/null 2>&1 && return
    export DOCKER_HOST=unix://$1/docker.sock
    dockerd --host "$DOCKER_HOST" --data-root "$1/data" --exec-root "$1/run" --pidfile "$1/pid" > "$1/log" 2>&1 &
    engine=$!
    for _ in $(seq 300); do
        docker info > /dev/null 2>&1 && return
        kill -0 "$engine" 2> /dev/null || { tail -n 5 "$1/log"; skip "dockerd does not run here"; }
        sleep 0.1
    done
    fail "dockerd does not answer"
}

stop_docker() {
    [ -z "$engine" ] || { kill "$engine" && wait "$engine"; } 2> /dev/null || true
    umount "$1"/data/*/*/merged "$1"/run/netns/* 2> /dev/null || true
}
