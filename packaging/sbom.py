#!/usr/bin/env python3
"""The SBOM of the shipped binary, as CycloneDX 1.5 on stdout: the crates of Cargo.lock that are linked in for a target,
with their checksums, and the C libraries, by the versions of Debian's packages. usage: sbom.py TARGET

Run it on the machine, and at the time, of packaging/build.sh: the C libraries are those that are installed."""

import json
import os
import platform
import subprocess
import sys
import tomllib

# What a static program has inside beside its crates: component, file that is linked, licence.
C_LIBRARIES = [
    ("glibc", "libc.a", "LGPL-2.1-or-later"),
    # The unwinder, which Rust's standard library calls.
    ("libgcc", "libgcc_eh.a", "GPL-3.0-or-later WITH GCC-exception-3.1"),
]


def output(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def c_library(target, name, file, licence):
    """The component of a C library: the Debian package that owns the file which the target's compiler links."""
    architecture = target.split("-", maxsplit=1)[0]
    compiler = "cc" if architecture == platform.machine() else f"{architecture}-linux-gnu-gcc"
    path = output(compiler, f"-print-file-name={file}")
    if not os.path.isabs(path):
        sys.exit(f"sbom.py: {compiler} has no {file}: packaging/build.sh {target} comes first")
    try:
        package = output("dpkg-query", "--search", os.path.realpath(path)).split(":")[0]
        fields = output("dpkg-query", "--show", "--showformat=${Version} ${Architecture}\n", package).split("\n")[0]
    except subprocess.CalledProcessError:
        sys.exit(f"sbom.py: {path} belongs to no Debian package, so its version is not known")
    version, package_architecture = fields.split(" ")
    purl = f"pkg:deb/debian/{package}@{version.replace('+', '%2B')}?arch={package_architecture}"
    return {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "description": f"{file}, linked statically for {target}",
        "licenses": [{"expression": licence}],
        "purl": purl,
    }


def main(target):
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", target]
    metadata = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    with open("Cargo.lock", "rb") as lock:
        checksums = {(p["name"], p["version"]): p.get("checksum") for p in tomllib.load(lock)["package"]}
    root = metadata["resolve"]["root"]
    edges, todo = {}, [root]
    while todo:
        node = todo.pop()
        if node in edges:
            continue
        # Normal dependencies are linked; build scripts and tests are not shipped.
        linked = [dep["pkg"] for dep in nodes[node]["deps"] if any(kind["kind"] is None for kind in dep["dep_kinds"])]
        edges[node] = sorted(linked)
        todo += linked

    def purl(node):
        return f"pkg:cargo/{packages[node]['name']}@{packages[node]['version']}"

    def component(node, kind):
        package = packages[node]
        made = {"type": kind, "bom-ref": purl(node), "name": package["name"], "version": package["version"]}
        if package["license"]:
            made["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
        made["purl"] = purl(node)
        if checksum := checksums[package["name"], package["version"]]:
            made["hashes"] = [{"alg": "SHA-256", "content": checksum}]
        return made

    names = sorted((node for node in edges if node != root), key=purl)
    c_libraries = [c_library(target, *library) for library in C_LIBRARIES]
    dependencies = {purl(node): sorted(map(purl, edges[node])) for node in [root, *names]}
    dependencies[purl(root)] += [library["bom-ref"] for library in c_libraries]
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": component(root, "application"), "properties": [{"name": "target", "value": target}]},
        "components": [component(node, "library") for node in names] + c_libraries,
        "dependencies": [{"ref": ref, "dependsOn": on} for ref, on in dependencies.items()],
    }
    json.dump(document, sys.stdout, indent=1)
    print()


if len(sys.argv) != 2:
    sys.exit(__doc__)
main(sys.argv[1])
