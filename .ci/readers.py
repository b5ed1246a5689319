"""Reads every landed file under a folder with DuckDB and Polars and compares with the manifests."""

import json
import pathlib
import sys

import duckdb
import polars

DUCKDB = {"parquet": "read_parquet", "csv": "read_csv", "jsonl": "read_json"}
POLARS = {
    "parquet": polars.scan_parquet,
    "csv": lambda path, **more: polars.scan_csv(path, infer_schema=False, **more),
    "jsonl": polars.scan_ndjson,
}


def count_duckdb(reader, path):
    # A format in which nothing is guessed but the rows.
    more = ", format='newline_delimited'" if reader == "read_json" else ""
    return duckdb.execute(f"select count(*) from {reader}(?{more})", [str(path)]).fetchone()[0]


def count_polars(scan, path):
    return scan(path).select(polars.len()).collect().item()


def check(landing, manifests):
    """All partitions of one schedule: each file, then all of them by one glob."""
    total = 0
    for manifest in manifests:
        file = manifest["file"]
        path = landing / file["path"]
        form = manifest["format"]
        counts = {
            "manifest": file["rows"],
            "DuckDB": count_duckdb(DUCKDB[form], path),
            "Polars": count_polars(POLARS[form], path),
        }
        print(f"{file['path']}: {counts}")
        if len(set(counts.values())) != 1:
            raise SystemExit(f"{path}: the readers disagree with the manifest")
        if path.stat().st_size != file["bytes"]:
            raise SystemExit(f"{path}: {path.stat().st_size} bytes, the manifest says {file['bytes']}")
        total += file["rows"]
    schedule, form = manifests[0]["schedule"], manifests[0]["format"]
    glob = landing / "data" / schedule / "*" / f"*.{form}"
    together = count_duckdb(DUCKDB[form], glob)
    if together != total:
        raise SystemExit(f"{glob}: {together} rows, the manifests say {total}")


def main(folder):
    schedules = {}
    for path in pathlib.Path(folder).rglob("*.json"):
        if path.name == "latest.json" or path.parent.parent.name != "meta":
            continue
        manifest = json.loads(path.read_text())
        if manifest.get("schema") == "aptiqd.manifest/1" and manifest["file"]["rows"]:
            schedules.setdefault(path.parent, []).append(manifest)
    if not schedules:
        raise SystemExit(f"no manifest below {folder}")
    for folder, manifests in schedules.items():
        check(folder.parent.parent, manifests)
    print(f"DuckDB {duckdb.__version__} and Polars {polars.__version__} agree with {len(schedules)} schedule(s)")


main(sys.argv[1])
