"""Replaces partitions again and again, through the real binary, while DuckDB and Polars read them in a loop.

    replacements.py APTIQD [TIMES] [FORMAT]

The vendor restates its figures in every second export, so each one replaces the files of all days. A reader must
always see every row once, and each day's figures as one of the two exports has them, never a mixture.

Each engine reads in two ways. By the glob, as people do: both engines open a path more than once for one query (strace
shows it), so that a query can meet two generations of a file. Such a read fails, loudly as a rule, and is counted as
`torn`; or, seldom, it answers with figures that neither generation has, and is counted as `mixed`: both only if a file
of the glob was replaced while it ran, and as wrong if none was. And in a way that opens each file once: a copy (DuckDB),
open files (Polars). There every failure is wrong.
"""

import collections
import glob
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

import duckdb
import polars

DAYS = [f"2026-11-{day:02}" for day in range(1, 6)]
IDS = list(range(99001000, 99001040))
ROWS = len(IDS)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(words, log, **more):
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=open(log, "w"), text=True, **more)


def ask(url, body=None):
    data = None if body is None else body.encode()
    headers = {"content-type": "application/json"} if body and body.startswith("{") else {}
    with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=30) as answer:
        return json.loads(answer.read() or b"{}")


def configure(folder, world, admin, callback, form):
    host = world["files_host"].rsplit(":", 1)[0]
    (folder / "schedules").mkdir()
    secret = folder / "sandbox.secret"
    secret.touch(mode=0o600)
    secret.write_text(world["client_secret"])
    (folder / "aptiqd.toml").write_text(
        f"""
[api]
base_url = "{world['base_url']}"
token_url = "{world['token_url']}"
client_id = "{world['client_id']}"
client_secret_file = "sandbox.secret"
requests_per_minute = 100000
poll_interval = "1s"
[callback]
listen = "127.0.0.1:{callback}"
public_url = "http://127.0.0.1:{callback}"
[admin]
listen = "127.0.0.1:{admin}"
[landing]
raw_retention = "5s"
[download]
allowed_hosts = ["{host}"]
"""
    )
    (folder / "schedules" / "daily.toml").write_text(
        f"""
report = "property"
format = "{form}"
cron = "0 0 29 2 *"
timezone = "America/Chicago"
window = "yesterday"
partition = "date"
properties = {{ ids = {IDS} }}
"""
    )


DUCKDB = {
    "parquet": "read_parquet('{}', hive_partitioning = true)",
    "csv": "read_csv('{}', hive_partitioning = true, all_varchar = true)",
    "jsonl": "read_json('{}', hive_partitioning = true, format = 'newline_delimited')",
}
POLARS = {
    "parquet": lambda source: polars.scan_parquet(source, hive_partitioning=isinstance(source, str)),
    "csv": lambda source: polars.scan_csv(source, infer_schema=False),
    "jsonl": lambda source: polars.scan_ndjson(source),
}


def by_duckdb(pattern, form):
    query = f"""
        select cast(report_generation_date as varchar), count(*), count(distinct id),
               sum(cast(round(cast(avg_rent as double) * 100) as bigint))
        from {DUCKDB[form].format(pattern)} group by 1"""
    with duckdb.connect() as connection:
        return {row[0]: tuple(int(value) for value in row[1:]) for row in connection.execute(query).fetchall()}


def by_duckdb_from_a_copy(pattern, form):
    with tempfile.TemporaryDirectory(prefix="aiq") as folder:
        for path in glob.glob(pattern):
            day = pathlib.Path(folder) / pathlib.Path(path).parent.name
            day.mkdir()
            shutil.copy(path, day)
        return by_duckdb(f"{folder}/*/*.{form}", form)


def by_polars(source, form):
    rent = (polars.col("avg_rent").cast(polars.Float64) * 100).round().cast(polars.Int64).sum()
    day = polars.col("report_generation_date").cast(polars.String)
    frame = (
        POLARS[form](source)
        .group_by(day.alias("day"))
        .agg(polars.len().alias("rows"), polars.col("id").n_unique().alias("ids"), rent.alias("rent"))
        .collect()
    )
    return {row[0]: tuple(int(value) for value in row[1:]) for row in frame.iter_rows()}


def by_polars_from_open_files(pattern, form):
    files = [open(path, "rb") for path in sorted(glob.glob(pattern))]
    try:
        return by_polars(files, form)
    finally:
        for file in files:
            file.close()


def generations(pattern):
    """Which files there are, by their inodes: one that is replaced has another."""
    found = {}
    for path in glob.glob(pattern):
        stat = os.stat(path)
        found[path] = (stat.st_ino, stat.st_ctime_ns)
    return found


class Reader(threading.Thread):
    """Reads until told to stop; keeps every answer that cannot be."""

    def __init__(self, name, read, pattern, form, states, stop, opens_once):
        super().__init__(name=name, daemon=True)
        self.read, self.pattern, self.form, self.states, self.stop = read, pattern, form, states, stop
        self.opens_once = opens_once
        self.reads, self.wrong, self.mixed, self.torn = 0, [], [], collections.Counter()

    def run(self):
        while not self.stop.is_set():
            before = generations(self.pattern)
            try:
                seen = self.read(self.pattern, self.form)
            except Exception as error:  # a reader that fails has seen something wrong as well
                words = str(error).split("\n")[0]
                if self.opens_once or generations(self.pattern) == before:
                    self.wrong.append(f"failed: {words}")
                else:
                    self.torn[words] += 1
                continue
            self.reads += 1
            impossible = [] if sorted(seen) == DAYS else [f"days {sorted(seen)}"]
            for day, cell in seen.items():
                if cell[:2] != (ROWS, ROWS) or cell not in self.states.get(day, ()):
                    impossible.append(f"{day}: {cell}")
            met_two = not self.opens_once and generations(self.pattern) != before
            (self.mixed if met_two else self.wrong).extend(impossible)


def main(binary, times=1000, form="parquet"):
    binary, times = os.path.abspath(binary), int(times)
    running = []
    try:
        with tempfile.TemporaryDirectory(prefix="aiq") as folder:
            replace(pathlib.Path(folder), binary, times, form, running)
    finally:
        for process in running:
            process.kill()


def replace(folder, binary, times, form, running):
    world = start([binary, "sandbox", "--json", "--listen", "127.0.0.1:0", "--job-time", "10ms"], folder / "sandbox.log")
    running.append(world)
    world = json.loads(world.stdout.readline())
    admin, callback = free_port(), free_port()
    configure(folder, world, admin, callback, form)
    running.append(start([binary, "run", "--config", str(folder / "aptiqd.toml")], folder / "daemon.log"))
    api = f"http://127.0.0.1:{admin}"
    await_ready(api, folder / "daemon.log")
    pattern = str(folder / "exports" / "data" / "daily" / "*" / f"*.{form}")
    states = {}
    for number in range(2):
        export(api, world, number)
        for day, cell in by_duckdb(pattern, form).items():
            states.setdefault(day, set()).add(cell)
    if any(len(cells) != 2 for cells in states.values()):
        raise SystemExit(f"the two exports do not differ: {states}")
    stop = threading.Event()
    ways = {
        "DuckDB": (by_duckdb, False),
        "DuckDB from a copy": (by_duckdb_from_a_copy, True),
        "Polars": (by_polars, False),
        "Polars from open files": (by_polars_from_open_files, True),
    }
    readers = [Reader(name, read, pattern, form, states, stop, once) for name, (read, once) in ways.items()]
    begun = time.monotonic()
    for reader in readers:
        reader.start()
    exports = -(-times // len(DAYS))
    for number in range(exports):
        export(api, world, number)
    stop.set()
    for reader in readers:
        reader.join()
    generation = json.loads((folder / "exports/meta/daily" / f"date={DAYS[0]}.json").read_text())["generation"]
    replaced = (generation - 2) * len(DAYS)
    seconds = time.monotonic() - begun
    wrong = sum(len(reader.wrong) for reader in readers)
    torn = sum(sum(reader.torn.values()) for reader in readers)
    mixed = sum(len(reader.mixed) for reader in readers)
    print(
        f"{form}: {replaced} replacements in {seconds:.0f} s; wrong reads: {wrong}; "
        f"of readers that open twice torn: {torn}, mixed: {mixed}"
    )
    for reader in readers:
        counts = f"{len(reader.wrong)} wrong, {sum(reader.torn.values())} torn, {len(reader.mixed)} mixed"
        print(f"  {reader.name}: {reader.reads} reads, {counts}")
        for what in reader.mixed[:5]:
            print(f"    mixed: {what}")
        for what in reader.wrong[:5]:
            print(f"    wrong: {what}")
        for what, times_seen in reader.torn.most_common(5):
            print(f"    torn: {times_seen} × {what}")
    if wrong or replaced < times or not all(reader.reads for reader in readers):
        raise SystemExit(1)


def await_ready(api, log):
    for _ in range(600):
        try:
            ask(f"{api}/-/ready")
            return
        except OSError:
            time.sleep(0.1)
    raise SystemExit(log.read_text())


def export(api, world, number):
    """One export of all days; every second one delivers other figures."""
    ask(f"{world['control_url']}/faults", "changed-etag" if number % 2 else "")
    body = json.dumps({"from": DAYS[0], "to": DAYS[-1]})
    run = ask(f"{api}/api/v1/schedules/daily/trigger", body)["run"]["id"]
    while True:
        state = ask(f"{api}/api/v1/runs/{run}")["run"]
        if state["state"] not in ("queued", "running"):
            break
        time.sleep(0.02)
    if state["state"] != "landed":
        raise SystemExit(f"{run}: {state}")


main(*sys.argv[1:])
