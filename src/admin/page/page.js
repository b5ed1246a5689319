// Adds to the page what a document cannot do: it stays current, and it draws the map of coverage.
// Nothing is polled: the page is asked for again when an event came, never more often than REST.
"use strict";
(() => {
  const REST = 2000;
  const STATES = { l: "landed", e: "empty", m: "missing", f: "failed", x: "excluded", ".": "not due" };
  // The worse one shows where a pixel stands for several cells.
  const WORSE = ".xlemf";
  const $ = (id) => document.getElementById(id);
  const make = (name, fields, ...children) => {
    const element = Object.assign(document.createElement(name), fields);
    element.append(...children);
    return element;
  };

  // --- times and commands

  function ago(seconds) {
    const span = Math.abs(seconds);
    const [count, unit] = span < 90 ? [Math.round(span), "s"] : span < 5400 ? [Math.round(span / 60), "min"]
      : span < 129600 ? [Math.round(span / 3600), "h"] : [Math.round(span / 86400), "d"];
    return seconds < 0 ? `in ${count} ${unit}` : `${count} ${unit} ago`;
  }

  function tellAges(root) {
    for (const time of root.querySelectorAll("time")) {
      const text = ago((Date.now() - Date.parse(time.dateTime)) / 1000);
      let next = time.nextElementSibling;
      if (!next || !next.classList.contains("ago")) {
        next = make("span", { className: "ago" });
        time.after(next);
      }
      if (next.textContent !== ` (${text})`) next.textContent = ` (${text})`;
    }
  }

  function addCopies(root) {
    if (!navigator.clipboard) return;
    for (const code of root.querySelectorAll("code.command")) {
      if (code.nextElementSibling?.className === "copy") continue;
      const button = make("button", { className: "copy", type: "button", textContent: "copy" });
      button.setAttribute("aria-label", `copy ${code.textContent}`);
      button.onclick = async () => {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "copied";
        setTimeout(() => (button.textContent = "copy"), 1500);
      };
      code.after(button);
    }
  }

  function dress(root) {
    tellAges(root);
    addCopies(root);
  }

  // --- staying current

  const link = $("link");
  let seen = new Map();
  let stream = null, last = 0, planned = 0, lastEvent = null;

  // Parts are compared as they were sent, not as they were dressed.
  const remember = (root) => {
    for (const part of root.querySelectorAll(".live")) seen.set(part.id, part.outerHTML);
  };

  async function refresh() {
    planned = 0;
    last = Date.now();
    let fresh;
    try {
      const answer = await fetch(location.pathname + location.search, { headers: { accept: "text/html" } });
      if (!answer.ok) throw new Error(answer.status);
      fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    } catch {
      return lost();
    }
    document.title = fresh.title;
    for (const part of fresh.querySelectorAll(".live")) {
      const here = $(part.id);
      if (!here || seen.get(part.id) === part.outerHTML) continue;
      seen.set(part.id, part.outerHTML);
      const open = [...here.querySelectorAll("details")].map((details) => details.open);
      const taken = document.adoptNode(part);
      here.replaceWith(taken);
      [...taken.querySelectorAll("details")].forEach((details, at) => (details.open = open[at] ?? details.open));
      if (taken.matches("section")) taken.classList.add("flash");
      dress(taken);
    }
    link.className = "dim";
    link.removeAttribute("role");
    link.replaceChildren("live, as of ", make("time", { dateTime: new Date().toISOString(), textContent: new Date().toLocaleTimeString() }));
    map?.keep();
  }

  function soon() {
    if (planned) return;
    planned = setTimeout(refresh, Math.max(250, last + REST - Date.now()));
  }

  function lost() {
    link.className = "lost";
    link.setAttribute("role", "alert");
    link.textContent = "no answer from the daemon; trying again";
  }

  // Read by hand rather than by EventSource, which must be told every event's name beforehand.
  async function follow() {
    if (stream || document.hidden) return;
    const mine = (stream = new AbortController());
    for (let wait = 1000; stream === mine; wait = Math.min(wait * 2, 30000)) {
      try {
        const headers = { accept: "text/event-stream", ...(lastEvent && { "last-event-id": lastEvent }) };
        const answer = await fetch("/api/v1/events", { headers, signal: mine.signal });
        if (!answer.ok) throw new Error(answer.status);
        if (link.className === "lost") soon();
        const lines = answer.body.pipeThrough(new TextDecoderStream()).getReader();
        for (let text = ""; ; ) {
          const { done, value } = await lines.read();
          if (done) break;
          wait = 1000;
          text = (text + value).slice(-65536);
          const ids = [...text.matchAll(/^id: ?(\d+)\n/gm)];
          if (!ids.length) continue;
          lastEvent = ids[ids.length - 1][1];
          text = "";
          soon();
        }
      } catch { /* told below */ }
      if (stream !== mine) return;
      lost();
      await new Promise((go) => setTimeout(go, wait));
    }
  }

  function rest() {
    stream?.abort();
    stream = null;
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return rest();
    refresh();
    follow();
  });
  setInterval(() => { if (!document.hidden) tellAges(document); }, 30000);

  // --- the map of coverage

  function decode(row, days) {
    const cells = new Uint8Array(days);
    let at = 0, count = 0;
    for (const c of row) {
      if (c >= "0" && c <= "9") { count = count * 10 + Number(c); continue; }
      cells.fill(WORSE.indexOf(c), at, at + count);
      at += count;
      count = 0;
    }
    return cells;
  }

  const dayOf = (from, at) => new Date(Date.parse(from + "T00:00:00Z") + at * 86400000).toISOString().slice(0, 10);

  function heat(ground) {
    const schedule = ground.dataset.schedule;
    const search = make("input", { type: "search", placeholder: "property id or name" });
    search.setAttribute("aria-label", "Search properties");
    const option = (value, text) => make("option", { value, textContent: text });
    const order = make("select", {}, option("worst", "worst first"), option("id", "by id"), option("name", "by name"));
    const range = make("select", {}, option("30", "30 days"), option("90", "90 days"), option("365", "a year"), option("0", "all"));
    range.value = "365";
    const size = make("select", {}, option("row", "rows"), option("fit", "all at once"));
    const label = (text, control) => make("label", {}, text + " ", control);
    const tools = make("div", { className: "tools" }, search, label("order", order), label("span", range), label("view", size));
    const legend = make("p", { className: "legend" });
    for (const [letter, state] of Object.entries(STATES)) {
      legend.append(make("span", {}, make("i", { className: letter === "." ? "n" : letter }), state));
    }
    const canvas = make("canvas", { tabIndex: 0 });
    canvas.setAttribute("role", "application");
    canvas.setAttribute("aria-label", "Coverage map, property by day. Arrow keys move, Enter explains a cell.");
    const spacer = make("div", { className: "rest" });
    const frame = make("div", { className: "heat" }, canvas, spacer);
    const tell = make("div", { className: "tell" });
    tell.setAttribute("aria-live", "polite");
    tell.append(make("p", { className: "dim", textContent: "Click a cell, or move by the arrow keys and press Enter, to see why it is so." }));
    ground.append(tools, legend, frame, tell);
    ground.hidden = false;
    const pen = canvas.getContext("2d");
    let table = null, rows = [], first = 0, days = 0, cursor = null, stamp = null, frameAsked = 0, asking = 0;
    // One pixel a cell, painted once a change of rows; each frame only scales a piece of it.
    let picture = null, columns = 0;

    const width = () => frame.clientWidth;
    const gutter = () => (size.value === "fit" ? 0 : width() < 560 ? 84 : 190);
    const rowHeight = () => (size.value === "fit" ? Math.max(1, (frame.clientHeight - 20) / Math.max(1, rows.length)) : 16);
    const HEAD = 20;

    async function load() {
      const answer = await fetch(`/api/v1/coverage/${schedule}/cells`);
      if (!answer.ok) return;
      const got = await answer.json();
      const length = Math.round((Date.parse(got.to) - Date.parse(got.from)) / 86400000) + 1;
      table = {
        from: got.from, length,
        rows: got.properties.map(({ id, name, cells }) => {
          const values = decode(cells, length);
          let lacks = 0;
          for (const value of values) lacks += value >= 4 ? 1 : 0;
          return { id: String(id), name: name ?? "", cells: values, lacks };
        }),
      };
      arrange();
    }

    function arrange() {
      if (!table) return;
      days = Math.min(table.length, Number(range.value) || table.length);
      first = table.length - days;
      const wanted = search.value.trim().toLowerCase();
      rows = table.rows.filter(({ id, name }) => !wanted || id.includes(wanted) || name.toLowerCase().includes(wanted));
      for (const row of rows) row.shown = row.cells.subarray(first).reduce((count, value) => count + (value >= 4 ? 1 : 0), 0);
      if (order.value === "worst") rows.sort((a, b) => b.shown - a.shown || b.lacks - a.lacks || Number(a.id) - Number(b.id));
      if (order.value === "name") rows.sort((a, b) => a.name.localeCompare(b.name) || Number(a.id) - Number(b.id));
      if (cursor) cursor = { row: Math.min(cursor.row, rows.length - 1), day: Math.min(cursor.day, days - 1) };
      if (!rows.length) tell.textContent = "No property matches.";
      layout();
    }

    function layout() {
      const ratio = window.devicePixelRatio || 1;
      // No taller than its rows; the style's height is the most.
      frame.style.height = size.value === "fit" ? "" : `min(27rem, ${HEAD + Math.max(1, rows.length) * 16 + 3}px)`;
      const tall = Math.min(frame.clientHeight, HEAD + Math.ceil(rows.length * rowHeight()) + 1);
      canvas.width = Math.round(width() * ratio);
      canvas.height = Math.round(tall * ratio);
      canvas.style.width = `${width()}px`;
      canvas.style.height = `${tall}px`;
      spacer.style.height = `${Math.max(0, Math.round(HEAD + rows.length * rowHeight() - tall))}px`;
      paint();
      ask();
    }

    function paint() {
      const style = getComputedStyle(document.documentElement);
      const colours = [...WORSE].map((letter) => {
        const hex = style.getPropertyValue(`--cell-${letter === "." ? "n" : letter}`).trim();
        return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
      });
      columns = Math.max(1, Math.min(days, Math.floor((width() - gutter()) * (window.devicePixelRatio || 1))));
      const lines = size.value === "fit" ? Math.max(1, Math.min(rows.length, Math.floor(canvas.height))) : Math.max(1, rows.length);
      const image = new ImageData(columns, lines);
      const worst = new Uint8Array(columns * lines);
      rows.forEach((row, number) => {
        const line = Math.floor((number * lines) / rows.length) * columns;
        for (let day = 0; day < days; day++) {
          const at = line + Math.floor((day * columns) / days);
          const value = row.cells[first + day];
          if (value > worst[at]) worst[at] = value;
        }
      });
      worst.forEach((value, at) => {
        const [red, green, blue] = colours[value];
        image.data.set([red, green, blue, 255], at * 4);
      });
      picture = make("canvas", { width: columns, height: lines });
      picture.getContext("2d").putImageData(image, 0, 0);
    }

    function ask() {
      if (!frameAsked) frameAsked = requestAnimationFrame(draw);
    }

    function draw() {
      frameAsked = 0;
      if (!picture || !rows.length) return pen.clearRect(0, 0, canvas.width, canvas.height);
      const ratio = window.devicePixelRatio || 1;
      const style = getComputedStyle(document.documentElement);
      const [ink, dim, card] = ["--ink", "--dim", "--card"].map((name) => style.getPropertyValue(name));
      const left = gutter(), high = rowHeight(), tall = canvas.height / ratio - HEAD, wide = width() - left;
      pen.setTransform(ratio, 0, 0, ratio, 0, 0);
      pen.clearRect(0, 0, width(), HEAD + tall);
      pen.imageSmoothingEnabled = false;
      const scale = picture.height / rows.length;
      const top = frame.scrollTop / high, shown = tall / high;
      pen.drawImage(picture, 0, top * scale, columns, shown * scale, left, HEAD, wide, tall);
      pen.font = "12px system-ui, sans-serif";
      pen.textBaseline = "middle";
      if (high >= 12) rowsBetween(Math.floor(top), Math.min(rows.length, Math.ceil(top + shown) + 1), (number, y) => {
        pen.fillStyle = card;
        pen.fillRect(left, y + high - 1, wide, 1);
        if (y + high / 2 < HEAD + 4) return;
        pen.fillStyle = rows[number].shown ? ink : dim;
        const words = width() < 560 || !rows[number].name ? rows[number].id : `${rows[number].id} ${rows[number].name}`;
        pen.fillText(words, 4, y + high / 2, left - 10);
      });
      pen.fillStyle = card;
      pen.fillRect(0, 0, width(), HEAD);
      pen.fillStyle = dim;
      if (days <= 92) for (let day = 1; day < days; day++) { pen.fillStyle = card; pen.fillRect(left + (day * wide) / days, HEAD, 1, tall); }
      dates(left, wide, dim);
      if (cursor) {
        pen.strokeStyle = ink;
        pen.lineWidth = 2;
        const cell = wide / days;
        const box = [left + cursor.day * cell, HEAD + cursor.row * high - frame.scrollTop, Math.max(cell, 4), Math.max(high, 4)];
        if (box[1] > HEAD - high) pen.strokeRect(...box);
      }
    }

    function rowsBetween(from, to, visit) {
      const high = rowHeight();
      for (let number = from; number < to; number++) visit(number, HEAD + number * high - frame.scrollTop);
    }

    function dates(left, wide, colour) {
      const step = days <= 31 ? 7 : days <= 92 ? 14 : 0;
      pen.fillStyle = colour;
      let free = left;
      for (let day = 0; day < days; day++) {
        const text = dayOf(table.from, first + day);
        if (step ? day % step : !text.endsWith("-01")) continue;
        const x = left + (day * wide) / days, words = step ? text.slice(5) : text.slice(0, 7);
        if (x < free || x + 44 > left + wide) continue;
        pen.fillText(words, x, HEAD / 2);
        free = x + 60;
      }
    }

    function place(event) {
      const box = canvas.getBoundingClientRect();
      const x = event.clientX - box.left - gutter(), y = event.clientY - box.top - HEAD;
      const day = Math.floor((x / (width() - gutter())) * days), row = Math.floor((y + frame.scrollTop) / rowHeight());
      return x >= 0 && y >= 0 && row < rows.length && day < days ? { row, day } : null;
    }

    const named = ({ row, day }) => {
      const { id, name, cells } = rows[row];
      return { id, name, date: dayOf(table.from, first + day), state: STATES[WORSE[cells[first + day]]] };
    };

    function point(to) {
      cursor = to;
      const high = rowHeight(), y = to.row * high, tall = canvas.clientHeight - HEAD;
      if (y < frame.scrollTop) frame.scrollTop = y;
      else if (y + high > frame.scrollTop + tall) frame.scrollTop = y + high - tall;
      const { id, name, date, state } = named(to);
      tell.replaceChildren(make("p", {}, make("strong", { textContent: `${id} ${name}`.trim() }), ` ${date}: ${state}`));
      ask();
    }

    async function explain() {
      if (!cursor) return;
      const { id, date } = named(cursor), number = ++asking;
      const answer = await fetch(`/api/v1/why?schedule=${schedule}&property=${id}&date=${date}`, { headers: { accept: "application/json" } });
      const why = await answer.json();
      if (number !== asking) return;
      const lines = [make("p", { textContent: why.because ?? why.detail ?? "" })];
      if (why.run) lines.push(make("p", {}, make("code", { className: "command", textContent: `aptiqd show ${why.run.id}` })));
      if (why.mend) lines.push(make("p", {}, make("code", { className: "command", textContent: why.mend })));
      tell.append(...lines);
      addCopies(tell);
    }

    canvas.onclick = (event) => {
      const at = place(event);
      if (at) { point(at); explain(); }
    };
    canvas.onmousemove = (event) => {
      const at = place(event);
      canvas.title = at ? (({ id, name, date, state }) => `${id} ${name} ${date}: ${state}`)(named(at)) : "";
    };
    canvas.onkeydown = (event) => {
      const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0], PageUp: [-20, 0], PageDown: [20, 0],
        Home: [0, -days], End: [0, days] };
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); return explain(); }
      const move = moves[event.key];
      if (!move || !rows.length) return;
      event.preventDefault();
      const from = cursor ?? { row: 0, day: days };
      const within = (value, most) => Math.max(0, Math.min(most - 1, value));
      point({ row: within(cursor ? from.row + move[0] : 0, rows.length), day: within(from.day + move[1], days) });
    };
    frame.addEventListener("scroll", ask, { passive: true });
    search.oninput = order.onchange = range.onchange = size.onchange = () => { frame.scrollTop = 0; arrange(); };
    new ResizeObserver(() => { if (table && canvas.clientWidth !== width()) layout(); }).observe(frame);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", layout);
    return {
      // Reads the cells again only if a count says that they are others.
      keep() {
        const now = $("stamp")?.dataset.stamp;
        if (now !== stamp) { stamp = now; load(); }
      },
    };
  }

  remember(document);
  const ground = $("map");
  const map = ground ? heat(ground) : null;
  dress(document);
  map?.keep();
  follow();
})();
