#!/usr/bin/env python3
"""The SBOM of the shipped binary, as CycloneDX 1.5 on stdout: the crates of Cargo.lock that are linked in for a target,
with their checksums, and the libraries that are linked in beside them, as packaging/build.sh has written them down when it
linked the binary (target/dist/TARGET/linked). usage: sbom.py TARGET"""

import json
import subprocess
import sys
import tomllib


def libraries(target):
    """The components beside the crates: C libraries and Rust's standard library."""
    path = f"target/dist/{target}/linked"
    try:
        with open(path, encoding="utf-8") as file:
            linked = {name: values for name, *values in map(str.split, file)}
    except FileNotFoundError:
        sys.exit(f"sbom.py: there is no {path}: packaging/build.sh {target} comes first")
    for name in ("glibc", "libgcc"):
        if len(linked[name]) != 3:
            sys.exit(f"sbom.py: {target}'s {name} belonged to no Debian package, so its version is not known")
    [rust], [commit] = linked["rust-version"], linked["rust-commit"]
    standard = library("rust-std", linked["rust-std"] or None, "MIT OR Apache-2.0", f"Rust's standard library, for {target}")
    if not linked["rust-std"]:
        purl = f"pkg:generic/rust-std@{rust}?vcs_url=git%2Bhttps://github.com/rust-lang/rust%40{commit}"
        standard |= {"bom-ref": purl, "version": rust, "purl": purl}
    standard["properties"] = [{"name": "rust version", "value": rust}, {"name": "rust commit", "value": commit}]
    return [
        library("glibc", linked["glibc"], "LGPL-2.1-or-later", f"libc.a and start files, linked statically for {target}"),
        library(
            "libgcc",
            linked["libgcc"],
            "GPL-3.0-or-later WITH GCC-exception-3.1",
            f"libgcc_eh.a and libgcc.a, linked statically for {target}",
        ),
        standard,
    ]


def library(name, package, licence, description):
    """A component by the Debian package it came in: name, version, architecture."""
    made = {"type": "library", "name": name, "description": description, "licenses": [{"expression": licence}]}
    if package:
        debian, version, architecture = package
        purl = f"pkg:deb/debian/{debian}@{version.replace('+', '%2B')}?arch={architecture}"
        made |= {"bom-ref": purl, "version": version, "purl": purl}
    return made


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
    beside = libraries(target)
    dependencies = {purl(node): sorted(map(purl, edges[node])) for node in [root, *names]}
    dependencies[purl(root)] += [made["bom-ref"] for made in beside]
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": component(root, "application"), "properties": [{"name": "target", "value": target}]},
        "components": [component(node, "library") for node in names] + beside,
        "dependencies": [{"ref": ref, "dependsOn": on} for ref, on in dependencies.items()],
    }
    json.dump(document, sys.stdout, indent=1)
    print()


if len(sys.argv) != 2:
    sys.exit(__doc__)
main(sys.argv[1])
