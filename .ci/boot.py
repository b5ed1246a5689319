"""Inside the container that `.ci/boot` boots: the service installed by the package, from its first start to the callbacks
it is sent while it is restarted and killed. Prints what it saw; ends with 1 if something is not as it should be."""

import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time

RESTARTS, RATE = int(sys.argv[1]), int(sys.argv[2])
CALLBACKS = ("127.0.0.1", 8470)
SANDBOX = "127.0.0.1:8480"
BEGUN = time.monotonic()


def run(*words, text=None, ok=(0,)):
    done = subprocess.run(words, input=text, capture_output=True, text=True)
    if done.returncode not in ok:
        sys.exit(f"{' '.join(words)}: exit {done.returncode}\n{done.stdout}{done.stderr}{journal()}")
    return done.stdout.strip()


def journal():
    return subprocess.run(["journalctl", "-u", "aptiqd", "-n", "30", "--no-pager"], capture_output=True, text=True).stdout


def shows(unit, *names):
    lines = run("systemctl", "show", unit, *(f"--property={name}" for name in names)).splitlines()
    return dict(line.split("=", 1) for line in lines)


def must(holds, what):
    if not holds:
        sys.exit(f"not so: {what}\n{journal()}")


def until(holds, what, within=60.0):
    end = time.monotonic() + within
    while not holds():
        must(time.monotonic() < end, f"{what}, within {within:.0f} s")
        time.sleep(0.02)


def say(name, text):
    print(f"{name:<22} {text}", flush=True)


# --- what the installation left
for unit in ("aptiqd.service", "aptiqd.socket"):
    must(run("systemctl", "is-enabled", unit, ok=(0, 1)) == "disabled", f"{unit} is not enabled by the installation")
    must(shows(unit, "ActiveState")["ActiveState"] == "inactive", f"{unit} is not started by the installation")
say("after installing", "neither enabled nor active")

# --- the simulated service, and a configuration for it
run("systemd-run", "--unit=sandbox", "--quiet", "-p", "StandardOutput=file:/run/sandbox.json", "/usr/bin/aptiqd",
    "sandbox", "--listen", SANDBOX, "--job-time", "300ms", "--json")
until(lambda: os.path.exists("/run/sandbox.json") and os.path.getsize("/run/sandbox.json") > 0, "a simulated service")
told = json.loads(open("/run/sandbox.json", encoding="utf-8").read().splitlines()[0])
config = open("/etc/aptiqd/aptiqd.toml", encoding="utf-8").read()


def swap(old, new):
    global config
    must(old in config, f"the package's configuration has {old!r}")
    config = config.replace(old, new, 1)


swap('token_file = "secrets/token"         # a pasted access token: lasts 30 days\n',
     f'base_url = "{told["base_url"]}"\ntoken_url = "{told["token_url"]}"\nclient_id = "{told["client_id"]}"\n'
     'client_secret_file = "/run/credentials/aptiqd.service/client_secret"\nrequests_per_minute = 6000\npoll_interval = "2s"\n')
swap("[callback]\n", '[callback]\npublic_url = "http://127.0.0.1:8470"\n')
swap("[download]\n", '[download]\nallowed_hosts = ["127.0.0.1"]\n')
open("/etc/aptiqd/aptiqd.toml", "w", encoding="utf-8").write(config)

# --- the credential comes from systemd: root's file, which the service cannot read
os.makedirs("/etc/aptiqd/credstore", mode=0o700)
with open(os.open("/etc/aptiqd/credstore/client_secret", os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
    file.write(told["client_secret"])
os.makedirs("/etc/systemd/system/aptiqd.service.d")
with open("/etc/systemd/system/aptiqd.service.d/credential.conf", "w") as file:
    file.write("[Service]\nLoadCredential=client_secret:/etc/aptiqd/credstore/client_secret\n")
run("systemctl", "daemon-reload")

before = time.monotonic()
run("systemctl", "enable", "--now", "aptiqd.socket", "aptiqd.service")
took = time.monotonic() - before
seen = shows("aptiqd.service", "ActiveState", "SubState", "Type", "StatusText", "WatchdogUSec", "MainPID",
             "WatchdogTimestampMonotonic")
must(seen["ActiveState"] == "active" and seen["Type"] == "notify", f"active by READY=1: {seen}")
say("start", f"active {took:.2f} s after systemctl start, by READY=1 of process {seen['MainPID']}")
must(seen["StatusText"] != "", "a status line")
say("status line", seen["StatusText"])
say("credential", "read from LoadCredential=, root's file of mode 0600")

# --- first file
landed = json.loads(run("aptiqd", "trigger", "portfolio-daily", "--wait", "--json"))["run"]
must(landed["state"] == "landed", f"a run lands: {landed}")
must(run("runuser", "-u", "aptiqd", "--", "aptiqd", "verify") != "", "what landed verifies")
shown = json.loads(run("aptiqd", "show", landed["id"], "--json"))
by = {attempt["learned_by"] for part in shown["parts"] for attempt in part["attempts"]}
must(by == {"callback"}, f"the ends of jobs were learned by callback: {by}")
say("landed", f"{landed['rows']} rows in {len(shown['files'])} file, learned by {', '.join(by)}")

# --- the socket is systemd's
must(shows("aptiqd.socket", "ActiveState", "SubState") == {"ActiveState": "active", "SubState": "running"}, "a running socket unit")
handed = run("journalctl", "-u", "aptiqd", "--grep", "handed over by systemd", "-o", "cat", "--no-pager")
must(handed != "", "the daemon took the listener")
say("socket", "the listener on 127.0.0.1:8470 is aptiqd.socket's, handed over")

# --- journald's fields
found = run("journalctl", "-u", "aptiqd", f"APTIQD_RUN={landed['id']}", "-o", "json", "--no-pager").splitlines()
entries = [json.loads(line) for line in found]
must(len(entries) > 3, "events of the run are found by APTIQD_RUN=")
ended = [one for one in entries if one.get("APTIQD_EVENT") == "run_ended"]
must(len(ended) == 1 and ended[0]["PRIORITY"] == "6" and ended[0]["APTIQD_SCHEDULE"] == "portfolio-daily", f"fields: {ended}")
must(any("APTIQD_JOB" in one and "APTIQD_PART" in one for one in entries), "jobs and parts are fields")
say("journal", f"{len(entries)} entries by APTIQD_RUN={landed['id']}; {ended[0]['MESSAGE'][:60]}…")

# --- reload: taken, and refused with the unit told so
run("systemctl", "reload", "aptiqd")
path = "/etc/aptiqd/schedules/portfolio-daily.toml"
good = open(path, encoding="utf-8").read()
open(path, "w", encoding="utf-8").write("cron = 1\n")
refused = subprocess.run(["systemctl", "reload", "aptiqd"], capture_output=True).returncode
open(path, "w", encoding="utf-8").write(good)
must(refused != 0, "a reload of a broken schedule fails")
must(shows("aptiqd.service", "ActiveState")["ActiveState"] == "active", "the service goes on after a refused reload")
run("systemctl", "reload", "aptiqd")
say("reload", "taken; refused with a broken schedule, the service goes on; taken again")

# --- the watchdog: a daemon that is stopped is replaced
first = shows("aptiqd.service", "WatchdogTimestampMonotonic")["WatchdogTimestampMonotonic"]
until(lambda: shows("aptiqd.service", "WatchdogTimestampMonotonic")["WatchdogTimestampMonotonic"] != first, "a watchdog's notice")
pid = int(shows("aptiqd.service", "MainPID")["MainPID"])
os.kill(pid, 19)
before = time.monotonic()
until(lambda: shows("aptiqd.service", "MainPID", "ActiveState") not in (
    {"MainPID": str(pid), "ActiveState": "active"},) and shows("aptiqd.service", "ActiveState")["ActiveState"] == "active",
    "another process in the place of the frozen one", 120)
say("watchdog", f"notices come; a frozen process was replaced after {time.monotonic() - before:.0f} s "
    f"(WatchdogSec={int(seen['WatchdogUSec'].rstrip('s').replace('min', '')) if seen['WatchdogUSec'][:-1].isdigit() else seen['WatchdogUSec']})")

# --- callbacks while it is restarted and killed
def control(path):
    link = http.client.HTTPConnection(SANDBOX, timeout=10)
    link.request("GET", path)
    return json.loads(link.getresponse().read())


def an_address():
    """A genuine address, as the vendor's list of jobs shows it."""
    control_url = told["control_url"].split(SANDBOX, 1)[1]
    state = json.dumps(control(control_url + "/state"))
    at = state.index("/cb/v1/")
    end = min(state.find(mark, at) for mark in ('"', "?") if state.find(mark, at) > 0)
    return state[at:end]


ADDRESS = an_address()
REQUEST = (f"POST {ADDRESS} HTTP/1.1\r\nHost: 127.0.0.1:8470\r\nContent-Type: application/json\r\n"
           "Content-Length: 2\r\nConnection: close\r\n\r\n{}").encode()
counts = {"sent": 0, "answered": 0, "refused": 0, "broken": 0, "other": 0, "again": 0}
slowest = 0.0
lock = threading.Lock()


def attempt():
    outcome, answer = "broken", b""
    try:
        with socket.create_connection(CALLBACKS, timeout=30) as link:
            link.sendall(REQUEST)
            while chunk := link.recv(4096):
                answer += chunk
        outcome = "answered" if answer.startswith(b"HTTP/1.1 202") else "other" if answer else "broken"
    except ConnectionRefusedError:
        outcome = "refused"
    except OSError:
        pass
    return outcome


def one():
    """One callback; further tries only tell what becomes of those that were broken off, for each may meet another kill."""
    global slowest
    begun = time.monotonic()
    outcome = attempt()
    again = outcome == "broken" and any(attempt() == "answered" for _ in range(5))
    with lock:
        counts[outcome] += 1
        counts["again"] += again
        slowest = max(slowest, time.monotonic() - begun)


def flood(stop):
    """At the rate, whether earlier ones are answered or not."""
    begun, threads = time.monotonic(), []
    while not stop.is_set():
        due = int((time.monotonic() - begun) * RATE)
        while counts["sent"] < due:
            counts["sent"] += 1
            thread = threading.Thread(target=one)
            thread.start()
            threads.append(thread)
        threads = [thread for thread in threads if thread.is_alive()]
        time.sleep(0.002)
    for thread in threads:
        thread.join()
    return time.monotonic() - begun


def under(what, act):
    global slowest
    for key in counts:
        counts[key] = 0
    slowest = 0.0
    stop, took, waiting = threading.Event(), [], 0
    sender = threading.Thread(target=lambda: took.append(flood(stop)))
    sender.start()
    for _ in range(RESTARTS):
        time.sleep(1.5)
        with lock:
            waiting += counts["sent"] - sum(counts[key] for key in ("answered", "refused", "broken", "other"))
        act()
        until(lambda: shows("aptiqd.service", "ActiveState")["ActiveState"] == "active", "active again")
    time.sleep(1.5)
    stop.set()
    sender.join()
    lost = counts["sent"] - counts["answered"]
    say(f"{RESTARTS} × {what}", f"{counts['sent']} callbacks in {took[0]:.1f} s, {counts['answered']} answered 202 at the first try, "
        f"{lost} not (refused {counts['refused']}, broken off {counts['broken']}, of these {counts['again']} answered when sent again, "
        f"other {counts['other']}); slowest {slowest:.2f} s")
    return lost, waiting


def kill():
    pid = shows("aptiqd.service", "MainPID")["MainPID"]
    os.kill(int(pid), 9)
    until(lambda: shows("aptiqd.service", "MainPID")["MainPID"] not in (pid, "0"), "another process")


lost, _ = under("systemctl restart", lambda: run("systemctl", "restart", "aptiqd.service"))
killed, waiting = under("SIGKILL", kill)
must(counts["refused"] == 0, "no callback is refused")
must(counts["again"] == counts["broken"], "whatever a kill broke off is answered when it is sent again")
again = json.loads(run("aptiqd", "trigger", "portfolio-daily", "--wait", "--json"))["run"]
must(again["state"] == "landed", f"a run lands afterwards: {again}")
run("runuser", "-u", "aptiqd", "--", "aptiqd", "verify")
say("afterwards", f"{again['state']}, {shows('aptiqd.service', 'NRestarts')['NRestarts']} restarts by systemd")
say("in all", f"{time.monotonic() - BEGUN:.0f} s")
must(lost == 0, "no callback is lost over restarts")
say("in the moment of a kill", f"{waiting} callbacks were on their way in all {RESTARTS}, {killed} of them were broken off")
# Nothing can answer for a process that is gone in the middle of it; what it had not taken yet waits for the next. One a kill
# may have begun between the counting and the kill.
must(killed <= waiting + RESTARTS, "a kill breaks off nothing but what was on its way")
