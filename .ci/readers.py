"""Reads every landed file under a folder with DuckDB and Polars and compares with the manifests; tries the statements of `aptiqd sql`."""

import json
import pathlib
import sys

import duckdb
import polars
import sqlglot

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


def statements(folder, dialect):
    """What `aptiqd sql --dialect DIALECT --json` printed: schedule and statement."""
    document = json.loads((folder / f"sql.{dialect}.json").read_text())
    if document["schema"] != "aptiqd.sql/1" or document["dialect"] != dialect:
        raise SystemExit(f"sql.{dialect}.json is not the document it should be")
    for schedule in document["schedules"]:
        for statement in schedule["statements"]:
            yield schedule, statement


def check_sql(folder, totals):
    """DuckDB runs its views; the other dialects are parsed, as far as sqlglot knows them, for they run elsewhere."""
    database = duckdb.connect()
    for schedule, statement in statements(folder, "duckdb"):
        database.execute(statement)
    for name, total in totals.items():
        view = name.replace("-", "_")
        rows = database.execute(f'select count(*) from "{view}"').fetchone()[0]
        if rows != total:
            raise SystemExit(f"the view {view} has {rows} rows, the manifests say {total}")
    for dialect in ("snowflake", "bigquery"):
        for _, statement in statements(folder, dialect):
            sqlglot.parse_one(statement, dialect=dialect)
    print(f"the views hold {totals}; sqlglot {sqlglot.__version__} read the other dialects")


def main(folder):
    schedules = {}
    folder = pathlib.Path(folder)
    for path in folder.rglob("*.json"):
        if path.name == "latest.json" or path.parent.parent.name != "meta":
            continue
        manifest = json.loads(path.read_text())
        if manifest.get("schema") == "aptiqd.manifest/1" and manifest["file"]["rows"]:
            schedules.setdefault(path.parent, []).append(manifest)
    if not schedules:
        raise SystemExit(f"no manifest below {folder}")
    totals = {}
    for meta, manifests in schedules.items():
        check(meta.parent.parent, manifests)
        totals[manifests[0]["schedule"]] = sum(manifest["file"]["rows"] for manifest in manifests)
    check_sql(folder, totals)
    print(f"DuckDB {duckdb.__version__} and Polars {polars.__version__} agree with {len(schedules)} schedule(s)")


main(sys.argv[1])
