// What the page can do beyond being read: read values off figures, take them away, look into cells. Everything it shows comes from
// the JSON beside it; without this script the page keeps its figures and tables.
(() => {
"use strict";
const report = JSON.parse(document.getElementById("data").textContent);

// ---- small things ------------------------------------------------------------------------------

function make(tag, attributes = {}, ...inside) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...inside);
  return node;
}

const superscript = (k) => String(k).replace(/[-0-9]/g, (c) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(c)]);

/** Three digits, powers of ten where they help. */
function number(v) {
  if (v == null || Number.isNaN(v)) return "–";
  const size = Math.abs(v);
  if (size === 0) return "0";
  if (size >= 1e-3 && size < 1e6) {
    if (Number.isInteger(v)) return String(v);
    return String(+v.toPrecision(size >= 1000 ? 6 : 3));
  }
  const k = Math.floor(Math.log10(size));
  return `${(v / 10 ** k).toFixed(2)}·10${superscript(k)}`;
}

const percent = (share) => `${+(100 * share).toFixed(1)} %`;

function token(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

const dark = matchMedia("(prefers-color-scheme: dark)");
/** The first and the second colour of a chart. */
const colour = (i) => (i ? "#d55e00" : dark.matches ? "#3f9fdd" : "#0072b2");

// ---- charts ------------------------------------------------------------------------------------

const charts = new Set();

function redraw() {
  for (const chart of charts) chart.draw();
}
dark.addEventListener("change", redraw);
let waiting = 0;
addEventListener("resize", () => {
  clearTimeout(waiting);
  waiting = setTimeout(redraw, 120);
});

/** Marks on a logarithmic axis: powers of ten, and 2 and 5 times them where few fit. */
function powers(u, axis, low, high) {
  const all = [];
  const [a, b] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
  const stride = Math.max(1, Math.ceil((b - a) / 9));
  for (let k = a; k <= b; k++) {
    if (((k % stride) + stride) % stride) continue;
    for (const m of b - a <= 2 ? [1, 2, 5] : [1]) all.push(m * 10 ** k);
  }
  return all.filter((v) => v >= low * 0.999 && v <= high * 1.001);
}

function mark(v) {
  if (v == null) return "";
  const k = Math.round(Math.log10(Math.abs(v)));
  const power = v > 0 && Math.abs(v / 10 ** k - 1) < 1e-9;
  if (power && (k < -2 || k > 4)) return `10${superscript(k)}`;
  return number(v);
}

/**
 * A chart with its switches, its legend with the values under the cursor, and its keys.
 * `plan`: {label, series: [{name, x, y, band: [low, high], colour, dash, width, points, quiet}],
 *          logX, logY, xLabel, yLabel, reference, height}; quiet series have no line in the legend.
 */
class Chart {
  /** `source` gives the plan; it is asked again when the page turns dark or light. */
  constructor(host, source) {
    this.source = source;
    const plan = this.plan = source();
    this.log = { x: plan.logX, y: plan.logY };
    this.box = make("div", { class: "chart", tabindex: "0", role: "group",
      "aria-label": `${plan.label}. Arrow keys move the cursor, plus and minus zoom, 0 shows all.`,
      onkeydown: (e) => this.key(e) });
    this.values = make("ul", { class: "values", "aria-live": "polite" });
    const button = (text, say, act) => make("button", { type: "button", "aria-label": say, title: say, onclick: act }, text);
    const toggle = (axis, text) => {
      const input = make("input", { type: "checkbox", "data-axis": axis, onchange: () => { this.log[axis] = input.checked; this.draw(); } });
      input.checked = this.log[axis];
      return make("label", {}, input, ` ${text}`);
    };
    this.tools = make("div", { class: "tools", role: "toolbar", "aria-label": `Switches of the chart: ${plan.label}` },
      plan.logX === null ? "" : toggle("x", `log ${plan.xLabel}`),
      plan.logY === null ? "" : toggle("y", `log ${plan.yLabel}`),
      button("+", "Zoom in", () => this.zoom(0.6)),
      button("−", "Zoom out", () => this.zoom(1 / 0.6)),
      button("All", "Show all", () => this.reset()));
    host.replaceChildren(this.tools, this.box, this.values);
    charts.add(this);
    this.draw();
  }

  remove() {
    charts.delete(this);
    this.u?.destroy();
  }

  draw() {
    if (!this.box.isConnected) { this.remove(); return; }
    this.u?.destroy();
    const plan = this.plan = this.source();
    const { log } = this;
    const fits = (v, axis) => v != null && Number.isFinite(v) && (!log[axis] || v > 0);
    const tables = [], series = [{}], bands = [], shown = [];
    const add = (x, y, options) => {
      const keep = x.map((v, i) => [v, y[i]]).filter(([v]) => fits(v, "x"));
      keep.sort((a, b) => a[0] - b[0]);
      tables.push([keep.map((p) => p[0]), keep.map((p) => (fits(p[1], "y") ? p[1] : null))]);
      series.push({ spanGaps: true, points: { show: false }, ...options });
      return series.length - 1;
    };
    const faint = { stroke: "transparent", width: 0 };
    for (const s of plan.series) {
      if (!s.band) continue;
      // On a logarithmic axis a lower end of zero is below the picture, not missing.
      const least = Math.min(...s.band[0].filter((v) => fits(v, "y")));
      const low = s.band[0].map((v) => (fits(v, "y") || v == null ? v : least));
      const [high, lower] = [add(s.x, s.band[1], faint), add(s.x, low, faint)];
      bands.push({ series: [high, lower], fill: s.colour + "30" });
    }
    for (const s of plan.series) {
      const options = { label: s.name, stroke: s.colour, width: s.width ?? 2, dash: s.dash ? [6, 4] : undefined };
      if (s.points) Object.assign(options, { paths: () => null, points: { show: true, size: 6, fill: s.colour, stroke: s.colour } });
      const at = add(s.x, s.y, options);
      if (!s.quiet) shown.push([s, at]);
    }
    this.shown = shown;
    const [ink, rule] = [token("--ink"), token("--rule")];
    const axis = (side, label) => ({
      stroke: ink, grid: { stroke: rule, width: 1 }, ticks: { stroke: rule, width: 1 }, label, labelSize: 26, size: side === "y" ? 62 : 38,
      font: "13px system-ui, sans-serif", labelFont: "13px system-ui, sans-serif",
      ...(log[side] ? { splits: powers, filter: (u, marks) => marks } : {}),
      values: (u, marks) => marks.map(mark),
    });
    // Some air, so that no line runs along the edge; on a flat range a whole unit.
    const air = (side) => (u, low, high) => {
      if (low == null || !Number.isFinite(low)) return log[side] ? [1, 10] : [0, 1];
      if (log[side]) {
        const ref = side === "y" && plan.reference > 0 ? plan.reference : low;
        const [a, b] = [Math.log10(Math.min(low, ref)), Math.log10(Math.max(high, ref))];
        const more = Math.max(0.04 * (b - a), 0.02);
        return [10 ** (a - more), 10 ** (b + more)];
      }
      const more = 0.04 * (high - low) || Math.abs(high) || 1;
      return [low - more, high + more];
    };
    const scale = (side) => ({ time: false, distr: log[side] ? 3 : 1, log: 10, range: this.fixed?.[side] ?? air(side) });
    const join = tables.length ? uPlot.join(tables) : [[]];
    this.u = new uPlot({
      width: Math.max(240, this.box.clientWidth), height: plan.height ?? 340,
      legend: { show: false },
      cursor: { drag: { x: true, y: true, uni: 24 }, points: { size: 7 }, focus: { prox: -1 } },
      scales: { x: scale("x"), y: scale("y") },
      axes: [axis("x", plan.xLabel), axis("y", plan.yLabel)],
      series, bands,
      hooks: {
        setCursor: [() => this.read()],
        draw: [(u) => {
          if (!(plan.reference > 0)) return;
          const y = u.valToPos(plan.reference, "y", true);
          const { left, width, top, height } = u.bbox;
          if (y < top || y > top + height) return;
          u.ctx.save();
          u.ctx.strokeStyle = ink; u.ctx.lineWidth = 1.5; u.ctx.setLineDash([2, 4]);
          u.ctx.beginPath(); u.ctx.moveTo(left, y); u.ctx.lineTo(left + width, y); u.ctx.stroke();
          u.ctx.restore();
        }],
      },
    }, join, this.box);
    this.read();
  }

  /** The legend, with the values at the cursor: the last known one of each line. */
  read() {
    if (!this.u) return;
    const at = this.u.cursor.idx;
    const xs = this.u.data[0];
    const rows = this.shown.map(([s, i]) => {
      let value = null;
      if (at != null) {
        const ys = this.u.data[i];
        let [before, after] = [at, at];
        while (before >= 0 && ys[before] == null) before--;
        while (after < ys.length && ys[after] == null) after++;
        if (ys[at] != null || s.points) value = ys[at];
        else if (before >= 0 && after < ys.length) {
          // Between two points of its own, as the line is drawn.
          const [tx, ty] = ["x", "y"].map((side) => (this.log[side] ? Math.log : (v) => v));
          const share = (tx(xs[at]) - tx(xs[before])) / (tx(xs[after]) - tx(xs[before]));
          const y = ty(ys[before]) + share * (ty(ys[after]) - ty(ys[before]));
          value = this.log.y ? Math.exp(y) : y;
        }
      }
      const swatch = make("span", { class: "swatch", "aria-hidden": "true" });
      swatch.style.borderTop = `${s.points ? 8 : 3}px ${s.dash ? "dashed" : "solid"} ${s.colour}`;
      if (s.points) swatch.style.width = "8px";
      return make("li", {}, swatch, ` ${s.name}${value == null ? "" : `: ${number(value)}`}`);
    });
    const here = at == null ? "" : make("li", { class: "here" }, `${this.plan.xLabel} ${number(xs[at])}`);
    this.values.replaceChildren(here, ...rows);
  }

  zoom(by) {
    const { u } = this;
    const focus = u.cursor.idx == null ? null : u.data[0][u.cursor.idx];
    u.batch(() => {
      for (const side of ["x", "y"]) {
        const log = this.log[side];
        const [to, from] = log ? [Math.log10, (v) => 10 ** v] : [(v) => v, (v) => v];
        const [low, high] = [to(u.scales[side].min), to(u.scales[side].max)];
        const middle = side === "x" && focus != null ? to(focus) : (low + high) / 2;
        u.setScale(side, { min: from(middle - (middle - low) * by), max: from(middle + (high - middle) * by) });
      }
    });
  }

  reset() { this.draw(); }

  key(event) {
    const { u } = this;
    const n = u.data[0].length;
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step && n) {
      const now = u.cursor.idx ?? (step > 0 ? -1 : n);
      const next = Math.min(n - 1, Math.max(0, now + step * (event.shiftKey ? 10 : 1)));
      u.setCursor({ left: u.valToPos(u.data[0][next], "x"), top: u.bbox.height / devicePixelRatio / 2 });
    } else if (event.key === "+" || event.key === "=") this.zoom(0.6);
    else if (event.key === "-") this.zoom(1 / 0.6);
    else if (event.key === "0") this.reset();
    else return;
    event.preventDefault();
  }
}

// ---- figures -----------------------------------------------------------------------------------

/** A figure's plot as series to read values off; null where hovering the picture says all. */
function readingOf(figure) {
  const [kind, plot] = Object.entries(figure.plot)[0];
  const split = (points) => ({ x: points.map((p) => p[0]), y: points.map((p) => p[1]) });
  if (kind === "curves") {
    const series = plot.lines.map((line) => ({ name: line.name, ...split(line.points), dash: line.dashed }));
    return { series, xLabel: plot.x_label, yLabel: plot.y_label };
  }
  if (kind === "survival") {
    const series = plot.curves.map(({ name, points }) => ({ name, ...split(points), stepped: true }));
    for (const s of series) { s.x = [1, ...s.x]; s.y = [s.x[1] <= 1 ? s.y[0] : 1, ...s.y]; }
    return { series, xLabel: plot.x_label, yLabel: "share still above" };
  }
  if (kind === "scatter") {
    const series = plot.groups.map(({ name, points }) => ({ name, ...split(points), points: true }));
    return { series, xLabel: plot.x_label, yLabel: plot.y_label };
  }
  return null;
}

const figures = new Map();
(function collect(node) {
  if (Array.isArray(node)) node.forEach(collect);
  else if (node && typeof node === "object") {
    if (node.plot && node.name) figures.set(node.name, node);
    Object.values(node).forEach(collect);
  }
})([report.picture, report.sections, report.appendix]);

const SVG = "http://www.w3.org/2000/svg";

function shape(tag, attributes) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

/** An axis of a picture: from values to its units and back. */
function axisOf(text) {
  const [from, to, low, high, log] = text.split(" ").map(Number);
  return {
    from, to,
    at: (v) => from + ((log ? Math.log10(v) : v) - low) / (high - low) * (to - from),
    value: (px) => { const place = low + (px - from) / (to - from) * (high - low); return log ? 10 ** place : place; },
  };
}

/** The colour that a series has in a picture, as the page's theme shows it. */
function drawn(svg, name) {
  const title = [...svg.querySelectorAll("path > title")].find((node) => node.textContent === name);
  return title ? getComputedStyle(title.parentNode).stroke : "currentColor";
}

/** Reads values off one picture of a figure: shows those at a place, in the list below. */
class Reader {
  constructor(svg, plan, values) {
    this.svg = svg;
    this.plan = plan;
    this.values = values;
    const [x, y] = [this.x, this.y] = [axisOf(svg.dataset.x), axisOf(svg.dataset.y)];
    this.cursor = shape("g", { "pointer-events": "none", class: "cursor" });
    svg.append(this.cursor);
    this.place = null;
    this.series = plan.series.map((s) => {
      const points = s.x.map((v, i) => [x.at(v), y.at(s.y[i]), v, s.y[i]]).filter((p) => Number.isFinite(p[0]) && Number.isFinite(p[1]));
      return { ...s, points: s.points ? points : points.sort((a, b) => a[0] - b[0]), dots: s.points };
    });
  }

  clear() { this.place = null; this.cursor.replaceChildren(); this.values.replaceChildren(); }

  row(s, value) {
    const swatch = make("span", { class: "swatch", "aria-hidden": "true" });
    swatch.style.borderTop = `${s.dots ? 8 : 3}px ${s.dash ? "dashed" : "solid"} ${drawn(this.svg, s.name)}`;
    if (s.dots) swatch.style.width = "8px";
    return make("li", {}, swatch, ` ${s.name}: ${value}`);
  }

  show(px, py) {
    const { x, y, plan, series } = this;
    const place = this.place = Math.min(x.to, Math.max(x.from, px));
    const marks = [], rows = [];
    if (series.some((s) => s.dots)) {
      // Of points the nearest one.
      let best = null;
      for (const s of series) for (const p of s.points) {
        const far = Math.hypot(p[0] - place, py == null ? 0 : p[1] - py);
        if (s.dots && (!best || far < best.far)) best = { far, s, p };
      }
      if (!best) return this.clear();
      marks.push(shape("circle", { cx: best.p[0], cy: best.p[1], r: 6, fill: "none", stroke: "currentColor", "stroke-width": 2 }));
      rows.push(this.row(best.s, `${plan.xLabel} ${number(best.p[2])}, ${plan.yLabel} ${number(best.p[3])}`));
    } else {
      marks.push(shape("line", { x1: place, x2: place, y1: y.from, y2: y.to, stroke: "currentColor", "stroke-opacity": 0.5 }));
      rows.push(make("li", { class: "here" }, `${plan.xLabel} ${number(+x.value(place).toPrecision(3))}`));
      for (const s of series) {
        const after = s.points.findIndex((p) => p[0] >= place - 1e-6);
        const [b, a] = [s.points[after], s.points[after - 1] ?? s.points[after]];
        if (after < 0 && !s.stepped) continue;
        const end = s.points[s.points.length - 1];
        const at = s.stepped ? (after < 0 ? end : b[0] - place < 1e-6 ? b : a)[1] : a[1] + (b[0] > a[0] ? (place - a[0]) / (b[0] - a[0]) : 0) * (b[1] - a[1]);
        if (!s.stepped && (after === 0 && b[0] - place > 1)) continue;
        marks.push(shape("circle", { cx: place, cy: at, r: 4, fill: drawn(this.svg, s.name) }));
        rows.push(this.row(s, number(+y.value(at).toPrecision(3))));
      }
    }
    this.cursor.replaceChildren(...marks);
    this.values.replaceChildren(...rows);
  }

  /** Under the pointer. */
  under(event) {
    const box = this.svg.getBoundingClientRect();
    const scale = this.svg.viewBox.baseVal.width / box.width;
    this.show((event.clientX - box.left) * scale, (event.clientY - box.top) * scale);
  }

  /** One stride further, of sixty. */
  step(by, far) {
    const stride = (this.x.to - this.x.from) / (far ? 12 : 60);
    this.show((this.place ?? (by > 0 ? this.x.from - stride : this.x.to + stride)) + by * stride, null);
  }
}

/** Lets a figure be read where it is: under the pointer, or by the arrow keys. */
function readable(node, plan) {
  const pictures = [...node.querySelectorAll(".plot svg")];
  if (!pictures.length || pictures.some((svg) => !svg.dataset.x)) return;
  const values = make("ul", { class: "values", "aria-live": "polite" });
  const readers = pictures.map((svg) => new Reader(svg, plan, values));
  const seen = () => readers.find((reader) => reader.svg.getClientRects().length) ?? readers[0];
  const plot = node.querySelector(".plot");
  plot.after(values);
  plot.tabIndex = 0;
  plot.setAttribute("role", "group");
  plot.addEventListener("pointermove", (event) => seen().under(event));
  plot.addEventListener("pointerdown", (event) => seen().under(event));
  plot.addEventListener("pointerleave", () => { if (document.activeElement !== plot) seen().clear(); });
  plot.addEventListener("blur", () => seen().clear());
  plot.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by) { seen().step(by, event.shiftKey); event.preventDefault(); }
    else if (event.key === "Escape") seen().clear();
  });
}

/** Saves a text as a file. */
function save(name, text, type) {
  const link = make("a", { href: URL.createObjectURL(new Blob([text], { type })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

const csv = (table) => [...table.rows].map((row) => [...row.cells].map((cell) => {
  const text = cell.textContent.trim();
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}).join(",")).join("\n") + "\n";

for (const node of document.querySelectorAll("figure[data-figure]")) {
  const figure = figures.get(node.dataset.figure);
  const plan = figure && readingOf(figure);
  if (plan) readable(node, plan);
  const numbers = node.querySelector("details.numbers");
  const table = node.querySelector("details.numbers table");
  const button = (text, act) => make("button", { type: "button", onclick: act }, text);
  numbers?.append(make("p", { class: "take" },
    button("Save numbers (csv)", () => save(`${node.dataset.figure}.csv`, csv(table), "text/csv")), " ",
    button("Save picture (svg)", () => {
      const svg = node.querySelector(".wide svg").cloneNode(true);
      svg.querySelector(".cursor")?.remove();
      svg.style.color = "#1a1a1a";
      save(`${node.dataset.figure}.svg`, svg.outerHTML, "image/svg+xml");
    }), " ",
    button("Full screen", () => node.requestFullscreen?.())));
}

const study = document.querySelector("#study pre");
study?.before(make("p", { class: "take" }, make("button", { type: "button",
  onclick: () => save("study.toml", report.study, "application/toml") }, "Save study.toml")));

// ---- projecting ----------------------------------------------------------------------------------

const help = make("p", { class: "keys", role: "status", hidden: true },
  "n and p: next and previous heading or figure · f: full screen of the figure in sight · Escape: back · ?: these keys");
document.body.append(help);
const stops = () => [...document.querySelectorAll("h1, h2[id], #evidence figure, main > figure, .appendix figure")]
  .filter((node) => !node.closest("nav") && node.getClientRects().length);
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.("input, select, textarea, .chart")) return;
  if (event.key === "?") { help.hidden = !help.hidden; return; }
  if (event.key === "f") {
    if (document.fullscreenElement) { document.exitFullscreen(); return; }
    const middle = innerHeight / 2;
    const far = (node) => { const box = node.getBoundingClientRect(); return Math.abs((box.top + box.bottom) / 2 - middle); };
    const near = stops().filter((node) => node.matches("figure")).sort((a, b) => far(a) - far(b))[0];
    near?.requestFullscreen?.();
    return;
  }
  const by = { n: 1, p: -1 }[event.key];
  if (!by) return;
  const tops = stops().map((node) => [node.getBoundingClientRect().top, node]).sort((a, b) => a[0] - b[0]);
  const next = by > 0 ? tops.find(([top]) => top > 40) : tops.findLast(([top]) => top < 8);
  next?.[1].scrollIntoView({ block: "start" });
});

// Where one is in the contents.
const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
const seen = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    for (const link of links.values()) link.removeAttribute("aria-current");
    links.get(target.id)?.setAttribute("aria-current", "location");
  }
}, { rootMargin: "0px 0px -70% 0px" });
for (const id of links.keys()) { const node = document.getElementById(id); if (node) seen.observe(node); }

// ---- looking into a cell -------------------------------------------------------------------------

const explorer = document.getElementById("explorer");

if (explorer && report.cells.length) {
  const quote = (s) => (/^[\w./-]+$/.test(s) ? s : `'${s.replaceAll("'", `'\\''`)}'`);
  const select = make("select", { id: "pick-cell", onchange: () => show(+select.value, 0, true) });
  const groups = new Map([["", [report.cells[0]]]]);
  for (const cell of report.cells.slice(1)) {
    for (const name of cell.comparisons.length ? cell.comparisons : [""]) {
      groups.set(name, [...(groups.get(name) ?? []), cell]);
    }
  }
  for (const [name, cells] of groups) {
    const options = cells.map((c) => make("option", { value: c.number }, `${c.label} · ${c.successes}/${c.replicates}`));
    select.append(...(name ? [make("optgroup", { label: name }, ...options)] : options));
  }
  const facts = make("div", { class: "facts" });
  const curves = make("div", { class: "live" });
  const replicates = make("fieldset", { class: "replicates" });
  const one = make("div", { class: "one" });
  explorer.append(
    make("p", {}, make("label", { for: "pick-cell" }, "Cell"), " ", select),
    facts, curves, replicates, one);
  explorer.hidden = false;
  let charted = [];

  const fact = (name, value) => make("div", {}, make("dt", {}, name), make("dd", {}, value));

  function show(index, replicate, told) {
    const cell = report.cells[index];
    if (!cell) return;
    for (const chart of charted) chart.remove();
    select.value = String(index);
    const steps = cell.steps.map((s) => (s == null ? `> ${cell.budget}` : String(s)));
    facts.replaceChildren(
      make("p", {}, cell.setting),
      make("dl", {},
        fact(cell.there, `${cell.successes} of ${cell.replicates} (${percent(cell.success.low)} to ${percent(cell.success.high)})`),
        fact("steps: 50, 80, 90 %", steps.join(", ")),
        fact("predicted median", cell.predicted_median == null ? "–" : number(cell.predicted_median)),
        fact("verdicts", cell.causes.map(([name, n]) => `${name} ${n}`).join(", ") || "–")));
    const kept = cell.shown.filter((r) => r.curve);
    const series = () => [{ name: "median, 10 to 90 %", x: cell.grid, y: cell.quantiles[1], band: [cell.quantiles[0], cell.quantiles[2]], colour: colour(0) },
      ...kept.map((r, i) => ({
        name: kept.length > 1 ? `the first ${kept.length} replicates` : `replicate ${r.replicate}`, quiet: i > 0,
        x: r.curve.steps, y: r.curve.losses, colour: token("--soft"), width: 1 }))];
    charted = [new Chart(curves, () => ({
      label: `Loss of cell ${cell.listed}, ${cell.label}`, series: series(), logX: true, logY: true, xLabel: "step", yLabel: "loss", reference: cell.loss_below }))];
    const choose = (r) => {
      const input = make("input", { type: "radio", name: "replicate", value: r.replicate, onchange: () => look(cell, r, true) });
      return make("label", { class: r.cause.endsWith("reached") ? "reached" : "failed" }, input, ` ${r.replicate} ${r.cause}`);
    };
    replicates.replaceChildren(make("legend", {}, "Replicate"), ...cell.shown.map(choose));
    const wanted = cell.shown.find((r) => r.replicate === replicate) ?? cell.shown[0];
    if (wanted) look(cell, wanted, told);
    else one.replaceChildren();
  }

  function look(cell, r, told) {
    for (const chart of charted.splice(1)) chart.remove();
    const radio = replicates.querySelector(`input[value="${r.replicate}"]`);
    if (radio) radio.checked = true;
    if (told) history.replaceState(null, "", `#look-${cell.number}-${r.replicate}`);
    const command = `thalweg explain ${quote(report.run)} --cell ${cell.listed} --replicate ${r.replicate}`;
    const code = make("code", {}, command);
    const said = make("span", { role: "status" });
    const copy = make("button", { type: "button", onclick: async () => {
      let done = true;
      try { await navigator.clipboard.writeText(command); } catch {
        // Not every browser lends the clipboard to a file: select, so that one key copies.
        getSelection().selectAllChildren(code);
        done = document.execCommand?.("copy") ?? false;
      }
      said.textContent = done ? " copied" : " selected";
    } }, "Copy");
    const loss = make("div", { class: "live" });
    const spectrum = make("div", { class: "live" });
    const sentences = [...r.evidence];
    if (r.nearest_pair) {
      const [i, j, d] = r.nearest_pair;
      sentences.push(`The nearest inputs are points ${i} and ${j}, ${number(d)} apart.`);
    }
    if (r.slow_points?.length) {
      sentences.push(`The slowest mode sits on ${r.slow_points.map(([i, w]) => `point ${i} (${percent(w)})`).join(", ")}.`);
    }
    one.replaceChildren(
      make("h3", {}, `Replicate ${r.replicate}: ${r.cause}`),
      make("p", {}, `${r.outcome[0].toUpperCase()}${r.outcome.slice(1)}; rate ${number(r.rate)}.`),
      make("ul", {}, ...sentences.map((s) => make("li", {}, s))),
      make("div", { class: "two" }, loss, spectrum),
      make("p", { class: "command" }, "Replay it bit for bit: ", code, " ", copy, said));
    if (r.curve) {
      const { steps, losses, predicted_steps: ahead, predicted } = r.curve;
      const series = () => [{ name: "observed", x: steps, y: losses, colour: colour(0) },
        ...(ahead.length ? [{ name: "predicted by its initial kernel", x: ahead, y: predicted, colour: colour(0), dash: true }] : [])];
      charted.push(new Chart(loss, () => ({ label: `Loss of replicate ${r.replicate}`, series: series(), logX: true, logY: true,
        xLabel: "step", yLabel: "loss", reference: cell.loss_below, height: 280 })));
    }
    if (r.spectrum) {
      const ranks = r.spectrum[0].map((_, i) => i + 1);
      charted.push(new Chart(spectrum, () => ({ label: `Eigenvalues of the tangent kernel of replicate ${r.replicate}`,
        series: ["start", "end"].map((name, i) => ({ name: `kernel at the ${name}`, x: ranks, y: r.spectrum[i], colour: colour(i), points: true })),
        logX: null, logY: true, xLabel: "number", yLabel: "eigenvalue", height: 280 })));
    }
  }

  function fromHash() {
    const found = /^#look-(\d+)(?:-(\d+))?$/.exec(location.hash);
    if (!found) return false;
    show(+found[1], +(found[2] ?? 0), false);
    document.getElementById("look").scrollIntoView();
    return true;
  }
  addEventListener("hashchange", fromHash);
  if (!fromHash()) show(0, 0, false);

  // The first cell of a row leads here.
  for (const row of document.querySelectorAll("tr[data-cell]")) {
    const head = row.querySelector("th");
    if (!head || !head.textContent) continue;
    const link = make("a", { href: `#look-${row.dataset.cell}`, title: "Look into this cell" }, ...head.childNodes);
    head.replaceChildren(link);
  }
}

// ---- printing ------------------------------------------------------------------------------------

// The story is printed; the appendix too, and all of it open, if one asks for it.
const everything = new URLSearchParams(location.search).has("everything");
document.documentElement.classList.toggle("everything", everything);
let closed = [];
addEventListener("beforeprint", () => {
  closed = [...document.querySelectorAll("details.part:not([open])")];
  for (const part of closed) part.open = true;
});
addEventListener("afterprint", () => {
  for (const part of closed) part.open = false;
});
const printing = make("p", { class: "printing" },
  make("button", { type: "button", onclick: () => print() }, "Print the story"), " ",
  make("button", { type: "button", onclick: () => {
    document.documentElement.classList.add("everything");
    print();
    document.documentElement.classList.toggle("everything", everything);
  } }, "Print everything"));
document.querySelector("footer").append(printing);
})();
