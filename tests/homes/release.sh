#!/bin/bash
# What a release consists of, taken as a user takes it: packages by dpkg, rpm, apt and dnf, the image by skopeo and a real Docker
# engine, checksums and their signature. The binaries are those that the other suites test.
#
# It takes minutes: it builds for two architectures, makes a Debian root, and installs every package by its own tool.
set -euo pipefail
cd "$(dirname "$0")/../.."
suite=release
source tests/homes/common.sh
[ "$(id -u)" = 0 ] || skip "it needs root"
[ "$(uname -m)" = x86_64 ] || skip "it is for x86_64"
need rpmbuild rpm
need dnf dnf
need createrepo_c createrepo-c
need apt-ftparchive apt-utils
need skopeo skopeo
need minisign minisign
need gpg gpg gpg-agent
need mmdebstrap mmdebstrap
need dockerd docker.io iptables
need file file
need readelf binutils
need openssl openssl
need python3 python3
# arm64 first: it brings this machine's C library to the version that Debian has for arm64.
STEPZERO_PROFILE=${STEPZERO_PROFILE:-ci} packaging/build.sh aarch64-unknown-linux-gnu > /dev/null || fail "the build for arm64"
packaging/build.sh > /dev/null || fail "the release build"
amd64=$PWD/target/dist/x86_64-unknown-linux-gnu/stepzero
arm64=$PWD/target/dist/aarch64-unknown-linux-gnu/stepzero
version=$("$amd64" --version | cut -d' ' -f2)

work=$(mktemp -d)
source=$PWD
server=
export GNUPGHOME=$work/gnupg DOCKER_BUILDKIT=0 DOCKER_CONFIG=$work/docker-config
clean() {
    docker rm --force $(docker ps --all --quiet --filter label=stepzero-release 2> /dev/null) > /dev/null 2>&1 || true
    docker image rm --force stepzero-release stepzero-release-copied > /dev/null 2>&1 || true
    stop_docker "$work/docker"
    [ -z "$server" ] || kill "$server" 2> /dev/null || true
    gpgconf --kill all 2> /dev/null || true
    rm -rf "$work"
}
trap clean EXIT
trap 'exit 1' INT TERM

# --- the files, twice ---------------------------------------------------------------------------------------------------
packaging/artifacts.sh "$work/first" > "$work/log" 2>&1 || { cat "$work/log"; fail "artifacts.sh"; }
# A second later, as a time of today would show.
sleep 1.1
packaging/artifacts.sh "$work/release" > "$work/log" 2>&1 || { cat "$work/log"; fail "artifacts.sh, again"; }
diff "$work/first/SHA256SUMS" "$work/release/SHA256SUMS" || fail "the same binaries give other files"
rm -rf "$work/first"
cd "$work/release"
same "SHA256SUMS $(echo stepzero-"$version"-{1.aarch64.rpm,1.x86_64.rpm,{aarch64,x86_64}-unknown-linux-gnu{,.cdx.json}}) $(
    echo stepzero-"$version".oci.tar stepzero_"$version"_{amd64,arm64}.deb)" "$(LC_ALL=C ls | xargs)" "the files of a release"
proven "binaries, debs, rpms, SBOMs and the image: the same bytes when made twice"

# --- checksums and signature, as docs/release.md has them -----------------------------------------------------------------
sign() { "$OLDPWD/packaging/sign.sh" . > "$work/log" 2>&1; }
sign || fail "sign.sh without a key: $(cat "$work/log")"
grep -q 'NOT SIGNED' "$work/log" || fail "nobody says that it is not signed"
[ ! -e SHA256SUMS.minisig ] || fail "a signature without a key"
minisign -G -W -p "$work/key.pub" -s "$work/key" > /dev/null
STEPZERO_RELEASE_KEY=$work/key sign || fail "sign.sh: $(cat "$work/log")"
verify() { minisign -Vm SHA256SUMS -P "$(tail -n 1 "$work/key.pub")" > "$work/log" 2>&1 && sha256sum --check --quiet SHA256SUMS >> "$work/log" 2>&1; }
verify || fail "the signature: $(cat "$work/log")"
grep -q "^Trusted comment: stepzero $version" "$work/log" || fail "the trusted comment: $(cat "$work/log")"
cp SHA256SUMS "$work/sums"
echo "$(sha256sum < /dev/null | cut -d' ' -f1)  other" >> SHA256SUMS
! verify || fail "other checksums pass"
cp "$work/sums" SHA256SUMS
printf x >> stepzero-"$version"-x86_64-unknown-linux-gnu
! verify || fail "another binary passes"
cp "$amd64" stepzero-"$version"-x86_64-unknown-linux-gnu
verify || fail "the signature, again"
proven "SHA256SUMS and its minisign signature, and that a change is seen"

# --- SBOM -----------------------------------------------------------------------------------------------------------------
# The versions are asked for elsewhere: of glibc it is the newest that is installed here, for both architectures, and rustc leaves
# its own in what it makes.
libc_version=$(dpkg-query --show --showformat='${Version}' libc6-dev)
for row in "x86_64 amd64" "aarch64 arm64"; do
    read -r architecture deb_arch <<< "$row"
    rust_version=$(readelf --string-dump=.comment "${!deb_arch}" | sed -n 's/.*rustc version \([0-9.]*\).*/\1/p')
    python3 - "stepzero-$version-$architecture-unknown-linux-gnu.cdx.json" "$architecture-unknown-linux-gnu" "$deb_arch" \
        "$libc_version" "$rust_version" << 'PYTHON' || fail "the SBOM of $architecture"
import json, sys, urllib.parse
_, file, target, architecture, libc, rust = sys.argv
sbom = json.load(open(file))
assert sbom["metadata"]["properties"] == [{"name": "target", "value": target}]
components = {component["name"]: component for component in sbom["components"]}
glibc, std = components["glibc"], components["rust-std"]
assert glibc["licenses"] == [{"expression": "LGPL-2.1-or-later"}]
assert glibc["version"] == libc, (glibc, libc)
assert urllib.parse.unquote(glibc["purl"]) == f"pkg:deb/debian/libc6-dev@{libc}?arch={architecture}", glibc
assert std["licenses"] == [{"expression": "MIT OR Apache-2.0"}]
assert {"name": "rust version", "value": rust} in std["properties"] and std["version"].startswith(rust), (std, rust)
assert std["purl"].startswith("pkg:generic/") or std["purl"].endswith(f"?arch={architecture}"), std
assert components["libgcc"]["licenses"] == [{"expression": "GPL-3.0-or-later WITH GCC-exception-3.1"}]
assert components["rustls"]["hashes"] and "snapbox" not in components
refs = {component["bom-ref"] for component in sbom["components"]}
root = sbom["metadata"]["component"]["bom-ref"]
edges = {dependency["ref"]: dependency["dependsOn"] for dependency in sbom["dependencies"]}
assert {components[name]["bom-ref"] for name in ("glibc", "libgcc", "rust-std")} <= set(edges[root])
assert all(set(on) <= refs for on in edges.values())
PYTHON
done
proven "the SBOMs name the crates, glibc $libc_version, libgcc, and Rust's standard library by its version"

# --- packages -------------------------------------------------------------------------------------------------------------
for row in "amd64 x86_64 x86-64" "arm64 aarch64 aarch64"; do
    read -r deb_arch rpm_arch machine <<< "$row"
    deb=stepzero_${version}_$deb_arch.deb rpm=stepzero-$version-1.$rpm_arch.rpm
    same "$deb_arch" "$(dpkg-deb -f "$deb" Architecture)" "the architecture of $deb"
    same "" "$(dpkg-deb -f "$deb" Depends Pre-Depends Recommends)" "what $deb depends on"
    same "$rpm_arch" "$(rpm -qp --queryformat '%{ARCH}' "$rpm")" "the architecture of $rpm"
    same "" "$(rpm -qpR "$rpm" | grep -v '^rpmlib(')" "what $rpm requires"
    # rpm 4.11, of Amazon Linux 2, knows these.
    same "BuiltinLuaScripts CompressedFileNames FileDigests PayloadFilesHavePrefix PayloadIsXz" \
        "$(rpm -qpR "$rpm" | sed -n 's/^rpmlib(\(.*\)).*/\1/p' | LC_ALL=C sort | xargs)" "what $rpm asks of rpm"
    mkdir "$work/$deb_arch"
    dpkg-deb -x "$deb" "$work/$deb_arch/deb"
    mkdir "$work/$deb_arch/rpm"
    rpm2archive - < "$rpm" | tar -xz -C "$work/$deb_arch/rpm"
    for kind in deb rpm; do
        cmp "${!deb_arch}" "$work/$deb_arch/$kind/usr/bin/stepzero" || fail "the binary of the $kind for $deb_arch"
    done
    file "$work/$deb_arch/deb/usr/bin/stepzero" | grep -q "$machine.*static-pie linked" || fail "$deb is not for $machine"
done
proven "deb and rpm for both architectures depend on nothing"

source "$source/tests/homes/release/repository.sh"

# --- image ----------------------------------------------------------------------------------------------------------------
image=oci-archive:$work/release/stepzero-$version.oci.tar
for architecture in amd64 arm64; do
    skopeo --override-arch "$architecture" inspect --config "$image" > "$work/config.json" || fail "skopeo inspect of $architecture"
    skopeo --override-arch "$architecture" copy "$image" "dir:$work/image-$architecture" > "$work/log" 2>&1 \
        || fail "skopeo copy of $architecture: $(cat "$work/log")"
    python3 - "$work/config.json" "$work/image-$architecture" "$architecture" "${!architecture}" << 'PYTHON' || fail "the image for $architecture"
import json, os, re, sys, tarfile
config, image = json.load(open(sys.argv[1])), sys.argv[2]
assert (config["architecture"], config["os"]) == (sys.argv[3], "linux")
dockerfile = open(os.environ["OLDPWD"] + "/packaging/container/Dockerfile").read()
assert config["config"]["User"] == re.search("^USER (.*)", dockerfile, re.M)[1]
assert config["config"]["Entrypoint"] == json.loads(re.search("^ENTRYPOINT (.*)", dockerfile, re.M)[1])
[layer] = json.load(open(image + "/manifest.json"))["layers"]
with tarfile.open(f"{image}/{layer['digest'].removeprefix('sha256:')}") as archive:
    [entry] = archive.getmembers()
    assert (entry.name, entry.mode, entry.uid, entry.gid) == ("stepzero", 0o755, 0, 0)
    assert archive.extractfile(entry).read() == open(sys.argv[4], "rb").read()
PYTHON
done
skopeo copy --all "$image" "oci:$work/both" > "$work/log" 2>&1 || fail "skopeo copy --all: $(cat "$work/log")"
proven "skopeo reads the image of both architectures: the binary alone, with user and entrypoint of the Dockerfile"

mkdir "$work/docker"
start_docker "$work/docker"
skopeo copy --override-arch amd64 --dest-daemon-host "${DOCKER_HOST:-unix:///var/run/docker.sock}" "$image" \
    docker-daemon:stepzero-release:latest > "$work/log" 2>&1 || fail "skopeo to docker: $(cat "$work/log")"
same "stepzero $version" "$(docker run --rm --label stepzero-release --entrypoint /stepzero stepzero-release --version)" "docker run --version"
mkdir "$work/context"
printf 'FROM scratch\nCOPY --from=stepzero-release /stepzero /usr/bin/stepzero\nENTRYPOINT ["/usr/bin/stepzero"]\n' > "$work/context/Dockerfile"
docker build --quiet --tag stepzero-release-copied "$work/context" > "$work/log" 2>&1 || fail "COPY --from: $(cat "$work/log")"
same "stepzero $version" "$(docker run --rm --label stepzero-release stepzero-release-copied --version)" "the copied binary"
status=0
docker run --rm --label stepzero-release stepzero-release /missing > "$work/log" 2>&1 || status=$?
same 127 "$status" "docker run with a command that is not there ($(cat "$work/log"))"
proven "the image in a Docker engine, and COPY --from=stepzero"
