// Events over time: asked for beside the list, so that rows never wait for it; drag to narrow the period.
//
// The same counts stand in a table with links, for whoever does not drag or does not see the bars.
import { narrow } from "./filters.js";

const HEIGHT = 64;
const LEAST = 3; // pixels: what happened is seen, however much else there was
const AXIS = 18;
const PAUSE = 200; // milliseconds without another list before its events are counted
const LIVE_EVERY = 10_000; // milliseconds between two countings while events arrive
const CANVAS = new URL("../vendor/uPlot.iife.min.js", import.meta.url).href;
const UNRELATED = ["tz", "columns", "live", "limit"]; // what changes no count

let library = null;
let asked = "";
let asking = new AbortController();
let chart = null;
let again = 0;
let soon = 0;

const place = () => document.getElementById("histogram");
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function load() {
  library ||= new Promise((done, failed) => {
    const script = document.createElement("script");
    Object.assign(script, { src: CANVAS, onload: done, onerror: failed });
    document.head.append(script);
  });
  return library;
}

async function count(force = false) {
  const results = document.getElementById("results");
  if (!place() || results.hasAttribute("data-mistaken")) return;
  const question = new URLSearchParams(results.dataset.filters);
  UNRELATED.forEach((name) => question.delete(name));
  if (!force && question.toString() === asked && place().childElementCount) return;
  asked = question.toString();
  place().classList.add("older"); // until the counts are those of the list again
  asking.abort();
  asking = new AbortController();
  try {
    const answer = await fetch(`/audit-logs/histogram${results.dataset.filters}`, { signal: asking.signal });
    if (!answer.ok) throw new Error(answer.status);
    const text = await answer.text();
    await load();
    show(text);
  } catch (problem) {
    if (problem.name !== "AbortError" && place()) {
      place().textContent = "The counts over time are not available now.";
      place().classList.remove("older");
    }
  }
}

// The fragment comes from our own server, which has escaped what is in it.
function show(text) {
  const opened = place().querySelector("details[open]");
  const made = document.createElement("template");
  made.innerHTML = text;
  if (opened && made.content.querySelector("details")) made.content.querySelector("details").open = true;
  place().replaceChildren(made.content);
  place().classList.remove("older");
  htmx.process(place());
  draw();
}

// Failures are hatched, so that they differ not by colour alone.
function hatched(paint, paper) {
  const tile = Object.assign(document.createElement("canvas"), { width: 5, height: 5 });
  const pen = tile.getContext("2d");
  pen.fillStyle = paper;
  pen.fillRect(0, 0, 5, 5);
  pen.strokeStyle = paint;
  pen.lineWidth = 2;
  for (const shift of [-5, 0, 5]) {
    pen.beginPath();
    pen.moveTo(shift, 5);
    pen.lineTo(shift + 5, 0);
    pen.stroke();
  }
  return pen.createPattern(tile, "repeat");
}

function options(points, width) {
  const bars = uPlot.paths.bars({ size: [0.86, 40], align: 1, gap: 1 });
  const ink = colour("--ink-2");
  const zone = document.getElementById("tz")?.value || "UTC";
  const last = points.at.at(-1) + points.step;
  const axis = {
    stroke: ink,
    font: `11px ${colour("--sans")}`,
    grid: { show: false },
    ticks: { show: false },
    size: AXIS,
    gap: 3,
    space: 100,
  };
  const pixels = (value) => ((value - points.at[0]) / (last - points.at[0])) * width;
  axis.values = (_, at, __, ___, step) =>
    at.map((value) => tick(value, Math.min(pixels(value), width - pixels(value)), step, zone));
  return {
    width,
    height: HEIGHT,
    padding: [4, 0, 0, 0],
    legend: { show: false },
    tzDate: (at) => uPlot.tzDate(new Date(at * 1000), zone),
    scales: { x: { range: () => [points.at[0], last] }, y: { range: (_, __, most) => [0, most || 1] } },
    axes: [axis, { show: false }],
    cursor: { y: false, points: { show: false }, drag: { x: true, y: false, setScale: false } },
    series: [
      {},
      { paths: bars, fill: colour("--bar"), width: 0, points: { show: false } },
      { paths: bars, fill: hatched(colour("--red"), colour("--paper")), width: 0, points: { show: false } },
    ],
    hooks: { setCursor: [(drawn) => say(points, drawn.cursor.idx)], setSelect: [(drawn) => chosen(drawn, points)] },
  };
}

// Near the edges a label would be cut.
function tick(value, room, step, zone) {
  if (room < 36) return null;
  const time = uPlot.tzDate(new Date(value * 1000), zone);
  const midnight = !time.getHours() && !time.getMinutes() && !time.getSeconds();
  const form = step >= 86_400 || midnight ? "{YYYY}-{MM}-{DD}" : step < 60 ? "{HH}:{mm}:{ss}" : "{HH}:{mm}";
  return uPlot.fmtDate(form)(time);
}

function draw() {
  chart?.destroy();
  chart = null;
  const bars = place()?.querySelector(".bars");
  if (!bars?.dataset.points) return;
  const points = JSON.parse(bars.dataset.points);
  const total = points.success.map((number, step) => number + points.failed[step]);
  const least = (Math.max(...total) * LEAST) / (HEIGHT - AXIS);
  const seen = (number) => (number ? Math.max(number, least) : null);
  const all = total.map(seen);
  const failed = points.failed.map(seen);
  const width = bars.clientWidth;
  if (!all.length || !width) return;
  chart = new uPlot(options(points, width), [points.at, all, failed], bars);
  byFinger(chart, points);
}

// The library knows the mouse alone; a finger that moves sideways narrows as well.
function byFinger(drawn, points) {
  let from = null;
  const at = (event) =>
    Math.min(Math.max(event.clientX - drawn.over.getBoundingClientRect().left, 0), drawn.over.clientWidth);
  const touched = (type, act) =>
    drawn.over.addEventListener(type, (event) => event.pointerType !== "mouse" && act(event));
  const select = (event) => {
    const [left, right] = [from, at(event)].sort((one, other) => one - other);
    drawn.setSelect({ left, width: right - left, top: 0, height: drawn.over.clientHeight }, false);
  };
  touched("pointerdown", (event) => ((from = at(event)), drawn.over.setPointerCapture(event.pointerId)));
  touched("pointermove", (event) => from !== null && (select(event), say(points, drawn.posToIdx(at(event)))));
  touched("pointerup", (event) => {
    if (from === null) return;
    select(event);
    from = null;
    chosen(drawn, points);
  });
  touched("pointercancel", () => ((from = null), drawn.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false)));
}

function say(points, step) {
  const words = document.getElementById("bar-words");
  if (!words) return;
  const number = (count) => count.toLocaleString("en");
  words.textContent =
    step == null
      ? "Drag to narrow"
      : `${points.words[step]}: ${number(points.success[step])} success, ${number(points.failed[step])} failed`;
}

// A selection becomes whole steps.
function chosen(drawn, points) {
  const { left, width } = drawn.select;
  if (width < 3) return;
  const step = (pixels) => (drawn.posToVal(pixels, "x") - points.at[0]) / points.step;
  const first = Math.max(Math.floor(step(left)), 0);
  const last = Math.min(Math.ceil(step(left + width)), points.at.length);
  narrow(points.at[0] + first * points.step, points.at[0] + last * points.step);
}

// While live the bars follow, more slowly than the rows.
export function eventsArrived() {
  again ||= setTimeout(() => ((again = 0), count(true)), LIVE_EVERY);
}

export function startHistogram() {
  document.addEventListener("htmx:afterSettle", (event) => {
    if (!["results", "page"].includes(event.detail.target?.id)) return;
    clearTimeout(soon);
    soon = setTimeout(count, PAUSE);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  let width = 0;
  new ResizeObserver(() => {
    const now = place()?.clientWidth ?? 0;
    if (now !== width && chart) requestAnimationFrame(draw);
    width = now;
  }).observe(document.body);
  count();
}
