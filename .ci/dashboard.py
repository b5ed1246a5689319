"""Runs a daemon against the simulated service, a Prometheus that scrapes it, and every query of deploy/grafana/aptiqd.json."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

APTIQD, PROMETHEUS = sys.argv[1:]
# What must show nothing while all is well, and why.
EMPTY = {}
SCHEDULE = """report = "property"
format = "parquet"
cron = "30 12 * * *"
timezone = "America/Chicago"
window = "yesterday"
properties = { ids = [1, 2, 3] }
retry = { attempts = 1, first = "1s", max = "1s" }
[notify]
all = ["desk"]
"""


def port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def until(holds, what, within=60):
    end = time.monotonic() + within
    while not holds():
        if time.monotonic() > end:
            sys.exit(f"not within {within} s: {what}")
        time.sleep(0.2)


def get(url):
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.read().decode()
    except OSError:
        return ""


def main(folder, begun):
    sandbox = subprocess.Popen([APTIQD, "sandbox", "--listen", "127.0.0.1:0", "--job-time", "200ms", "--json"],
                               stdout=subprocess.PIPE, text=True, cwd=folder)
    begun.append(sandbox)
    told = json.loads(sandbox.stdout.readline())
    callbacks, admin, web = port(), port(), port()
    files = {
        "secret": told["client_secret"],
        "aptiqd.toml": f"""[api]
base_url = "{told['base_url']}"
token_url = "{told['token_url']}"
client_id = "{told['client_id']}"
client_secret_file = "secret"
requests_per_minute = 6000
poll_interval = "1s"
[callback]
listen = "127.0.0.1:{callbacks}"
public_url = "http://127.0.0.1:{callbacks}"
[admin]
listen = "127.0.0.1:{admin}"
[download]
allowed_hosts = ["127.0.0.1"]
[notify.desk]
kind = "exec"
command = ["/bin/true"]
""",
        "schedules/daily.toml": SCHEDULE,
        "prometheus.yml": f"""global:
  scrape_interval: 1s
scrape_configs:
  - job_name: aptiqd
    static_configs:
      - targets: ["127.0.0.1:{admin}"]
""",
    }
    os.mkdir(f"{folder}/schedules")
    for name, text in files.items():
        with open(os.open(f"{folder}/{name}", os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
            file.write(text)
    log = open(f"{folder}/log", "w")
    begun.append(subprocess.Popen([PROMETHEUS, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/tsdb",
                                   f"--web.listen-address=127.0.0.1:{web}", "--log.level=warn"], stderr=log, cwd=folder))
    begun.append(subprocess.Popen([APTIQD, "run"], stderr=log, cwd=folder))
    until(lambda: get(f"http://127.0.0.1:{admin}/-/ready"), "a daemon")

    def query(text):
        answer = get(f"http://127.0.0.1:{web}/api/v1/query?" + urllib.parse.urlencode({"query": text}))
        return json.loads(answer)["data"]["result"] if answer else []

    # Counters are there before they move, or their first step is no increase.
    until(lambda: query("aptiqd_build_info"), "a scrape")
    for _ in range(2):
        done = subprocess.run([APTIQD, "trigger", "daily", "--wait"], cwd=folder, capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stderr)
        time.sleep(2.5)
    until(lambda: query('aptiqd_notices_total{outcome="sent"}') or query("aptiqd_notices_total"), "a notice")
    time.sleep(3)

    dashboard = json.load(open("deploy/grafana/aptiqd.json", encoding="utf-8"))
    wrong = queries = 0
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            queries += 1
            text = target["expr"].replace("$instance", ".*").replace("$schedule", ".*")
            answer = get(f"http://127.0.0.1:{web}/api/v1/query?" + urllib.parse.urlencode({"query": text}))
            found = json.loads(answer)["data"]["result"] if answer else None
            if found:
                first = found[0]
                labels = ",".join(f"{key}={value}" for key, value in first["metric"].items() if key not in ("instance", "job"))
                seen = f"{len(found)} series, {labels} {float(first['value'][1]):.6g}"
            elif found is not None and panel["title"] in EMPTY:
                seen = f"nothing, as it should be: {EMPTY[panel['title']]}"
            else:
                seen = "NO DATA" if found is not None else "REFUSED"
                wrong += 1
            print(f"{panel['title']:<38} {seen}")
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            metric, label = variable["query"].removeprefix("label_values(").removesuffix(")").split(", ")
            values = {one["metric"].get(label) for one in query(metric)}
            print(f"{'$' + variable['name']:<38} {sorted(map(str, values))}")
            wrong += not values or None in values
    print(f"dashboard: {queries} queries, {wrong} without an answer")
    return wrong


with tempfile.TemporaryDirectory() as scratch:
    processes = []
    try:
        failed = main(scratch, processes)
    finally:
        for process in reversed(processes):
            process.terminate()
        for process in processes:
            process.wait()
sys.exit(1 if failed else 0)
