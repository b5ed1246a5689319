"""The bill of materials of the released binary: CycloneDX 1.5 out of Cargo's own resolution.

Nothing in it depends on when or where it is made, so the same lock file gives the same bytes.
Usage: sbom.py TARGET > aptiqd.cdx.json
"""

import json
import re
import subprocess
import sys

ROOT = "aptiqd"


def cargo(*words):
    return subprocess.run(["cargo", *words], check=True, capture_output=True, text=True).stdout


def purl(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


def checksums():
    """SHA-256 of the packed crates, as Cargo.lock pins them."""
    found = {}
    for block in open("Cargo.lock", encoding="utf-8").read().split("[[package]]")[1:]:
        keys = dict(re.findall(r'^(\w+) = "(.*)"$', block, re.M))
        if "checksum" in keys:
            found[keys["name"], keys["version"]] = keys["checksum"]
    return found


def linked_in(target):
    """Names and versions of what is linked in. Macros' and build scripts' own crates run at build time only; the
    resolution in `cargo metadata` also holds what tests alone ask for, this one does not."""
    lines = cargo("tree", "--locked", "--target", target, "-e", "normal,no-proc-macro", "--prefix", "none", "-f", "{p}")
    words = (line.split() for line in lines.splitlines())
    return {(name, version.removeprefix("v")) for name, version, *_ in words}


def licence(package):
    text = package.get("license")
    # The older way to write OR.
    return [{"expression": text.replace("/", " OR ")}] if text else []


def component(package, hashes):
    made = {
        "type": "library",
        "bom-ref": purl(package),
        "name": package["name"],
        "version": package["version"],
        "purl": purl(package),
        "scope": "required",
    }
    if package.get("description"):
        made["description"] = " ".join(package["description"].split())
    if licence(package):
        made["licenses"] = licence(package)
    digest = hashes.get((package["name"], package["version"]))
    if digest:
        made["hashes"] = [{"alg": "SHA-256", "content": digest}]
    if package.get("repository"):
        made["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    return made


def main(target):
    told = json.loads(cargo("metadata", "--locked", "--format-version", "1", "--filter-platform", target))
    packages = {package["id"]: package for package in told["packages"]}
    nodes = {node["id"]: node for node in told["resolve"]["nodes"]}

    linked = linked_in(target)
    reached = {id for id, one in packages.items() if (one["name"], one["version"]) in linked}
    root = told["resolve"]["root"]
    assert packages[root]["name"] == ROOT and root in reached and len(reached) == len(linked)

    def needed(node):
        for edge in node["deps"]:
            if edge["pkg"] in reached and any(kind["kind"] is None for kind in edge["dep_kinds"]):
                yield edge["pkg"]

    hashes = checksums()
    ordered = sorted(reached - {root}, key=lambda id: purl(packages[id]))
    product = component(packages[root], hashes) | {"type": "application"}
    product.pop("scope")
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": product,
            "properties": [{"name": "aptiqd:target", "value": target}],
        },
        "components": [component(packages[id], hashes) for id in ordered],
        "dependencies": [
            {
                "ref": purl(packages[id]),
                "dependsOn": sorted({purl(packages[other]) for other in needed(nodes[id])}),
            }
            for id in [root, *ordered]
        ],
    }
    json.dump(document, sys.stdout, indent=1, ensure_ascii=False)
    print()


main(*sys.argv[1:])
