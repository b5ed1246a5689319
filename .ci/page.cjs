// Looks at the status page as people do; .ci/page starts it.
"use strict";
const { spawn, spawnSync } = require("node:child_process");
const fs = require("node:fs");
const net = require("node:net");
const os = require("node:os");
const path = require("node:path");
const { chromium } = require("playwright-core");
const axe = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const work = process.env.PAGE_WORK, target = process.env.PAGE_TARGET;
const binary = path.join(target, "aptiqd");
const shots = path.join(work, "shots");
const children = [];
let failures = 0;

const check = (good, what) => {
  if (!good) failures += 1;
  console.log(`${good ? "ok  " : "FAIL"} ${what}`);
};

const freePort = () => new Promise((port) => {
  const server = net.createServer().listen(0, "127.0.0.1", () => {
    const free = server.address().port;
    server.close(() => port(free));
  });
});

function folder(name) {
  const dir = path.join(work, name);
  fs.rmSync(dir, { recursive: true, force: true });
  fs.mkdirSync(path.join(dir, "schedules"), { recursive: true });
  return dir;
}

function verb(dir, ...words) {
  const done = spawnSync(binary, [...words, "--config", path.join(dir, "aptiqd.toml")], { encoding: "utf8" });
  if (done.error) throw done.error;
  return done;
}

function start(log, command, words, env) {
  const child = spawn(command, words, { stdio: ["ignore", "pipe", fs.openSync(log, "w")], env: { ...process.env, ...env } });
  children.push(child);
  return child;
}

async function daemon(dir) {
  const port = await freePort();
  const child = start(path.join(dir, "daemon.log"), binary, ["run", "--config", path.join(dir, "aptiqd.toml")], {
    APTIQD_ADMIN__LISTEN: `127.0.0.1:${port}`,
    APTIQD_ADMIN__SOCKET: path.join(dir, "a.sock"),
  });
  const url = `http://127.0.0.1:${port}`;
  for (let tries = 0; tries < 300; tries++) {
    try {
      if ((await fetch(`${url}/-/ready`)).ok) return { url, pid: child.pid, dir };
    } catch { /* not yet */ }
    await new Promise((go) => setTimeout(go, 100));
  }
  throw new Error(`no daemon at ${url}:\n${fs.readFileSync(path.join(dir, "daemon.log"), "utf8")}`);
}

// A simulated ApartmentIQ that loses a property once, a daemon, and what a week of use leaves.
async function lively() {
  const dir = folder("lively");
  const sandbox = start(path.join(dir, "sandbox.log"), binary, ["sandbox", "--json", "--listen", "127.0.0.1:0",
    "--job-time", "300ms", "--fault", "missing-properties=1,failed=2"]);
  const description = await new Promise((done) => {
    let text = "";
    sandbox.stdout.on("data", (data) => {
      text += data;
      try { done(JSON.parse(text)); } catch { /* more comes */ }
    });
  });
  fs.writeFileSync(path.join(dir, "secret"), description.client_secret, { mode: 0o600 });
  const callback = await freePort();
  fs.writeFileSync(path.join(dir, "aptiqd.toml"), `[api]
base_url = "${description.base_url}"
token_url = "${description.token_url}"
client_id = "${description.client_id}"
client_secret_file = "secret"
requests_per_minute = 100000
poll_interval = "1s"
[callback]
listen = "127.0.0.1:${callback}"
public_url = "http://127.0.0.1:${callback}"
[admin]
socket = "a.sock"
[download]
allowed_hosts = ["127.0.0.1"]
`);
  const schedule = (name, format, cron, more) => fs.writeFileSync(path.join(dir, `schedules/${name}.toml`), `
description = "${name}, every day"
report = "property"
format = "${format}"
cron = "${cron}"
timezone = "America/Chicago"
window = "yesterday"
partition = "date"
chunk = { properties = 2, days = 31 }
retry = { attempts = 1, first = "1s", max = "1s" }
${more}`);
  schedule("owned-daily", "parquet", "30 12 * * *", "properties = { ids = [99001416, 99001417, 99001418, 99001419, 99001420] }\n[freshness]\nwarn_after = \"26h\"\nerror_after = \"36h\"");
  schedule("rivals-daily", "csv", "0 13 * * *", "properties = { ids = [99001500, 99001501] }");
  const started = await daemon(dir);
  verb(dir, "backfill", "owned-daily", "--from", "2026-11-01", "--to", "2026-11-10", "--wait");
  verb(dir, "trigger", "owned-daily", "--from", "2026-11-11", "--to", "2026-11-11", "--wait");
  verb(dir, "pause", "rivals-daily", "--reason", "the contract is being renewed");
  return started;
}

async function large() {
  const dir = folder("large");
  const made = spawnSync(path.join(target, "examples/portfolio"), [dir, process.env.PAGE_RUNS ?? "100000"], { encoding: "utf8" });
  if (made.status !== 0) throw new Error(made.stderr);
  return daemon(dir);
}

async function empty() {
  const dir = folder("empty");
  fs.writeFileSync(path.join(dir, "token"), "nobody-asks-for-this-one", { mode: 0o600 });
  fs.writeFileSync(path.join(dir, "aptiqd.toml"), `[api]
base_url = "http://127.0.0.1:1/api/v1"
token_url = "http://127.0.0.1:1/token"
token_file = "token"
[callback]
listen = "127.0.0.1:0"
[admin]
socket = "a.sock"
`);
  return daemon(dir);
}

// Opens the page and keeps what went wrong with it.
async function open(browser, url, options) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const wrong = [];
  page.on("console", (message) => { if (["error", "warning"].includes(message.type())) wrong.push(message.text()); });
  page.on("pageerror", (error) => wrong.push(String(error)));
  page.on("request", (request) => { if (!request.url().startsWith(new URL(url).origin)) wrong.push(`elsewhere: ${request.url()}`); });
  await page.goto(url);
  return { page, wrong, close: () => context.close() };
}

async function look(browser, name, { url }) {
  for (const colorScheme of ["light", "dark"]) {
    for (const width of [390, 1280]) {
      const label = `${name}, ${colorScheme}, ${width}`;
      const { page, wrong, close } = await open(browser, url, { colorScheme, viewport: { width, height: 900 }, reducedMotion: "reduce" });
      if (name !== "empty") await page.waitForFunction(() => document.querySelector(".heat canvas")?.clientHeight > 20);
      await page.waitForTimeout(200);
      await page.screenshot({ path: path.join(shots, `${name}-${colorScheme}-${width}.png`), fullPage: true });
      const wide = await page.evaluate(() => document.scrollingElement.scrollWidth - innerWidth);
      check(wide <= 0, `${label}: nothing overflows (${wide})`);
      // Run as the debugger does: the page's own policy lets no foreign script in.
      await page.evaluate(axe);
      const { violations } = await page.evaluate(() => window.axe.run());
      for (const { id, impact, nodes } of violations) {
        console.log(`     ${impact} ${id}: ${nodes.slice(0, 3).map((node) => node.target.join(" ") + " " + (node.any[0]?.message ?? "")).join(" | ")}`);
      }
      check(!violations.some(({ impact }) => ["serious", "critical"].includes(impact)), `${label}: accessible`);
      check(wrong.length === 0, `${label}: no complaint of the browser ${wrong.join("; ")}`);
      await close();
    }
  }
}

async function withoutScript(browser, name, { url }) {
  const { page, close } = await open(browser, url, { javaScriptEnabled: false, viewport: { width: 1280, height: 900 } });
  const first = await page.textContent("h1");
  check(first.length > 10, `${name}, no script: "${first}"`);
  await page.screenshot({ path: path.join(shots, `${name}-noscript.png`), fullPage: true });
  await close();
}

async function current(browser, { url, dir }) {
  const { page, close } = await open(browser, url, { viewport: { width: 1280, height: 900 } });
  await page.waitForSelector("#runs table");
  const run = JSON.parse(verb(dir, "trigger", "owned-daily", "--from", "2026-11-12", "--to", "2026-11-12", "--json").stdout).run.id;
  await page.waitForFunction((run) => [...document.querySelectorAll("#runs tr")]
    .some((row) => row.textContent.includes(run) && row.textContent.includes("landed")), run, { timeout: 30000 });
  check(true, "the page shows a run that came while it was open, to its end");
  await close();
}

async function map(browser, { url }) {
  const { page, wrong, close } = await open(browser, `${url}/?schedule=owned-daily`, { viewport: { width: 1280, height: 900 } });
  await page.waitForFunction(() => document.querySelector(".heat canvas")?.clientHeight > 20);
  const search = page.getByRole("searchbox", { name: "Search properties" });
  const tall = () => page.evaluate(() => document.querySelector(".heat").scrollHeight);
  const all = await tall();
  await search.fill("99001416");
  const one = await tall();
  check(one < all / 5, `searching leaves fewer rows (${all} to ${one} px)`);
  await search.fill("");
  // By keyboard alone.
  await page.locator(".heat canvas").focus();
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.querySelectorAll(".tell p").length > 1);
  console.log(`     ${await page.innerText(".tell")}`);
  // The worst first: its first missing day, by mouse.
  const at = await page.evaluate(async () => {
    const { from, to, properties } = await (await fetch("/api/v1/coverage/owned-daily/cells")).json();
    const cells = properties.map(({ id, cells }) => ({ id, cells, text: cells.replace(/(\d+)(.)/g, (_, count, letter) => letter.repeat(+count)) }));
    const lacks = (text) => [...text].filter((c) => "mf".includes(c)).length;
    const rank = (a, b) => lacks(b.text.slice(-365)) - lacks(a.text.slice(-365)) || lacks(b.text) - lacks(a.text) || a.id - b.id;
    const shown = cells.sort(rank)[0].text.slice(-365);
    return { day: shown.search(/[mf]/), days: shown.length };
  });
  if (at.day >= 0) {
    const box = await page.locator(".heat canvas").boundingBox();
    await page.mouse.click(box.x + 190 + ((at.day + 0.5) * (box.width - 190)) / at.days, box.y + 28);
    await page.waitForFunction(() => document.querySelector(".tell code.command"));
    const told = await page.innerText(".tell");
    check(/missing|failed/.test(told) && /aptiqd (backfill|retry|show)/.test(told), `a click says why and what to type: ${told.replace(/\s+/g, " ")}`);
  }
  await page.locator("#coverage").screenshot({ path: path.join(shots, "map.png") });
  await page.getByLabel("view").selectOption("fit");
  await page.locator("#coverage").screenshot({ path: path.join(shots, "map-fit.png") });
  await page.getByLabel("view").selectOption("row");
  const frames = await page.evaluate(() => new Promise((done) => {
    const frame = document.querySelector(".heat"), times = [];
    let before = performance.now();
    const step = () => {
      const now = performance.now();
      times.push(now - before);
      before = now;
      frame.scrollTop += 60;
      if (times.length < 120) requestAnimationFrame(step);
      else done(times.slice(2).sort((a, b) => a - b));
    };
    requestAnimationFrame(step);
  }));
  console.log(`     scrolling: median frame ${frames[frames.length >> 1].toFixed(1)} ms, 95 % within ${frames[Math.floor(frames.length * 0.95)].toFixed(1)} ms`);
  check(wrong.length === 0, `the map: no complaint of the browser ${wrong.join("; ")}`);
  await close();
}

async function paint(browser, { url }) {
  const times = [], served = [];
  for (let round = 0; round < 7; round++) {
    const { page, close } = await open(browser, url, { viewport: { width: 1280, height: 900 } });
    await page.waitForTimeout(300);
    const [first, answer] = await page.evaluate(() => [performance.getEntriesByName("first-contentful-paint")[0]?.startTime,
      performance.getEntriesByType("navigation")[0].responseEnd]);
    times.push(first);
    served.push(answer);
    await close();
  }
  const best = Math.min(...times);
  console.log(`     first paint, best of 7: ${best.toFixed(0)} ms, of which the answer ${Math.min(...served).toFixed(0)} ms`);
  const load = os.loadavg()[0];
  if (best >= 200 && process.env.PAGE_PROFILE === "debug") console.log("skipped: the first paint is judged with a release build only");
  else if (best >= 200 && load > os.cpus().length) console.log(`skipped: the first paint is not judged on a busy machine (load ${load.toFixed(0)})`);
  else check(best < 200, "the first paint of 700 properties × 2 years is under 200 ms");
}

async function idle(browser, { url, pid }) {
  const { page, close } = await open(browser, url, { viewport: { width: 1280, height: 900 } });
  await page.waitForTimeout(2000);
  const asked = [];
  page.on("request", (request) => asked.push(request.url()));
  const ticks = () => fs.readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ").slice(11, 13).reduce((a, b) => a + Number(b), 0);
  const before = ticks();
  await page.waitForTimeout(15000);
  console.log(`     15 s with the page open: ${(ticks() - before) * 10} ms of the daemon's CPU`);
  check(asked.length === 0, `an idle page asks for nothing ${asked.join(" ")}`);
  await close();
}

async function main() {
  fs.rmSync(shots, { recursive: true, force: true });
  fs.mkdirSync(shots, { recursive: true });
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu",
    "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"] });
  try {
    // To measure alone, when the machine is quiet.
    if (process.env.PAGE_ONLY === "paint") return await paint(browser, await large());
    const nothing = await empty();
    await look(browser, "empty", nothing);
    const small = await lively();
    await look(browser, "lively", small);
    await withoutScript(browser, "lively", small);
    await current(browser, small);
    const big = await large();
    await look(browser, "large", big);
    await withoutScript(browser, "large", big);
    await map(browser, big);
    await paint(browser, big);
    await idle(browser, big);
  } finally {
    await browser.close();
    for (const child of children) child.kill("SIGTERM");
  }
  if (failures) throw new Error(`${failures} failed; screenshots are in ${shots}`);
}

main().catch((error) => {
  console.error(error);
  for (const child of children) child.kill("SIGTERM");
  process.exit(1);
});
