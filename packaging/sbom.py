#!/usr/bin/env python3
"""The SBOM of the shipped binary, as CycloneDX 1.5 on stdout: the crates of Cargo.lock that are linked in for a target,
with their checksums. usage: sbom.py TARGET"""

import json
import subprocess
import sys
import tomllib


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
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": component(root, "application"), "properties": [{"name": "target", "value": target}]},
        "components": [component(node, "library") for node in names],
        "dependencies": [{"ref": purl(node), "dependsOn": sorted(map(purl, edges[node]))} for node in [root, *names]],
    }
    json.dump(document, sys.stdout, indent=1)
    print()


main(sys.argv[1])
