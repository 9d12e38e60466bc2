#!/usr/bin/env python3
"""One OCI image for x86_64 and arm64, with the static binary and nothing else, as packaging/container/Dockerfile has it.

usage: image.py OUT.tar BINARY_AMD64 BINARY_ARM64

Writes the image layout (https://github.com/opencontainers/image-spec/blob/main/image-layout.md) as a tar archive, which
skopeo and podman read. It needs no engine. The same binaries give the same bytes: the only time in it is
SOURCE_DATE_EPOCH.
"""

import datetime
import gzip
import hashlib
import io
import json
import os
import re
import sys
import tarfile

EPOCH = int(os.environ.get("SOURCE_DATE_EPOCH", "0"))
CREATED = datetime.datetime.fromtimestamp(EPOCH, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
MEDIA = "application/vnd.oci.image."
# The command of the image that is built FROM this one, or the arguments of `docker run`, come after it.
ENTRYPOINT = ["/stepzero", "exec", "--references", "--"]
# There is no /etc/passwd: numbers, of the user that everywhere is nobody.
USER = "65534:65534"


def add(archive, name, data, mode=0o644):
    """Adds a file of root's to a tar archive."""
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = len(data), mode, EPOCH
    entry.uname = entry.gname = "root"
    archive.addfile(entry, io.BytesIO(data))


def tar(files, mode):
    """A tar archive of a dict of names and bytes."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in files.items():
            add(archive, name, data, mode)
    return out.getvalue()


def text(document):
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


class Layout:
    """The files of an image layout; contents go by their digest."""

    def __init__(self):
        self.files = {"oci-layout": text({"imageLayoutVersion": "1.0.0"})}

    def blob(self, data, media_type):
        """Adds a content, and gives its descriptor."""
        digest = hashlib.sha256(data).hexdigest()
        self.files[f"blobs/sha256/{digest}"] = data
        return {"mediaType": MEDIA + media_type, "digest": f"sha256:{digest}", "size": len(data)}

    def image(self, architecture, binary, annotations):
        """Adds the image of one architecture, and gives the descriptor of its manifest."""
        layer = tar({"stepzero": binary}, 0o755)
        config = {
            "architecture": architecture,
            "os": "linux",
            "created": CREATED,
            "config": {"User": USER, "Entrypoint": ENTRYPOINT, "WorkingDir": "/", "Labels": annotations},
            "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]},
            "history": [{"created": CREATED, "created_by": "packaging/image.py"}],
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": MEDIA + "manifest.v1+json",
            "config": self.blob(text(config), "config.v1+json"),
            "layers": [self.blob(gzip.compress(layer, 9, mtime=0), "layer.v1.tar+gzip")],
            "annotations": annotations,
        }
        platform = {"architecture": architecture, "os": "linux"}
        if architecture == "arm64":
            platform["variant"] = "v8"
        return self.blob(text(manifest), "manifest.v1+json") | {"platform": platform}


def main(out, binaries):
    with open(os.path.join(os.path.dirname(__file__), "../Cargo.toml"), encoding="utf-8") as manifest:
        package = dict(re.findall(r'^(version|description|license) = "(.*)"$', manifest.read(), re.MULTILINE))
    annotations = {
        "org.opencontainers.image.title": "stepzero",
        "org.opencontainers.image.description": package["description"],
        "org.opencontainers.image.licenses": package["license"],
        "org.opencontainers.image.version": package["version"],
        "org.opencontainers.image.created": CREATED,
    }
    layout = Layout()
    images = []
    for architecture, path in binaries.items():
        with open(path, "rb") as binary:
            images.append(layout.image(architecture, binary.read(), annotations))
    index_type = MEDIA + "index.v1+json"
    both = {"schemaVersion": 2, "mediaType": index_type, "manifests": images, "annotations": annotations}
    # One entry, the index of both: so a copy by its tag is a copy of all architectures.
    entry = layout.blob(text(both), "index.v1+json")
    entry["annotations"] = {"org.opencontainers.image.ref.name": package["version"]}
    layout.files["index.json"] = text({"schemaVersion": 2, "mediaType": index_type, "manifests": [entry]})
    with open(out, "wb") as archive:
        archive.write(tar(dict(sorted(layout.files.items())), 0o644))


if len(sys.argv) != 4:
    sys.exit(__doc__)
main(sys.argv[1], {"amd64": sys.argv[2], "arm64": sys.argv[3]})
