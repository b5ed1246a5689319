"""Replaces partitions again and again, through the real binary, while DuckDB and Polars read them in a loop.

    replacements.py APTIQD [TIMES] [FORMAT]

The vendor restates its figures in every second export, so each one replaces the files of all days. A reader must
always see every row once, and each day's figures as one of the two exports has them, never a mixture.
"""

import json
import os
import pathlib
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
    "parquet": lambda glob: polars.scan_parquet(glob, hive_partitioning=True),
    "csv": lambda glob: polars.scan_csv(glob, infer_schema=False),
    "jsonl": lambda glob: polars.scan_ndjson(glob),
}


def by_duckdb(glob, form):
    query = f"""
        select cast(report_generation_date as varchar), count(*), count(distinct id),
               sum(cast(round(cast(avg_rent as double) * 100) as bigint))
        from {DUCKDB[form].format(glob)} group by 1"""
    with duckdb.connect() as connection:
        return {row[0]: tuple(int(value) for value in row[1:]) for row in connection.execute(query).fetchall()}


def by_polars(glob, form):
    rent = (polars.col("avg_rent").cast(polars.Float64) * 100).round().cast(polars.Int64).sum()
    day = polars.col("report_generation_date").cast(polars.String)
    frame = (
        POLARS[form](glob)
        .group_by(day.alias("day"))
        .agg(polars.len().alias("rows"), polars.col("id").n_unique().alias("ids"), rent.alias("rent"))
        .collect()
    )
    return {row[0]: tuple(int(value) for value in row[1:]) for row in frame.iter_rows()}


class Reader(threading.Thread):
    """Reads until told to stop; keeps every answer that cannot be."""

    def __init__(self, name, read, states, stop):
        super().__init__(name=name, daemon=True)
        self.read, self.states, self.stop, self.reads, self.wrong = read, states, stop, 0, []

    def run(self):
        while not self.stop.is_set():
            try:
                seen = self.read()
            except Exception as error:  # a reader that fails has seen something wrong as well
                self.wrong.append(f"failed: {error}")
                continue
            self.reads += 1
            if sorted(seen) != DAYS:
                self.wrong.append(f"days {sorted(seen)}")
            for day, cell in seen.items():
                if cell[:2] != (ROWS, ROWS) or cell not in self.states.get(day, ()):
                    self.wrong.append(f"{day}: {cell}")


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
    glob = str(folder / "exports" / "data" / "daily" / "*" / f"*.{form}")
    states = {}
    for number in range(2):
        export(api, world, number)
        for day, cell in by_duckdb(glob, form).items():
            states.setdefault(day, set()).add(cell)
    if any(len(cells) != 2 for cells in states.values()):
        raise SystemExit(f"the two exports do not differ: {states}")
    stop = threading.Event()
    readers = [
        Reader("DuckDB", lambda: by_duckdb(glob, form), states, stop),
        Reader("Polars", lambda: by_polars(glob, form), states, stop),
    ]
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
    reads = ", ".join(f"{reader.name} {reader.reads}" for reader in readers)
    print(f"{form}: {replaced} replacements in {seconds:.0f} s; reads: {reads}; wrong answers: {wrong}")
    for reader in readers:
        for what in reader.wrong[:5]:
            print(f"  {reader.name}: {what}")
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
