// The bars of the histogram, drawn with uPlot; dragging over them narrows the list to a period.
import { showPeriod } from "./filters.js";

const HEIGHT = 64; // pixels, like all sizes here
const AXIS_HEIGHT = 18;
const MIN_BAR_HEIGHT = 3; // what happened is visible, however much else there was
const MIN_LABEL_ROOM = 36; // nearer to an edge a label would be cut
const MIN_SELECTION = 3;
const LIBRARY = new URL("../vendor/uPlot.iife.min.js", import.meta.url).href;

let library = null;
let chart = null;

const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export function loadChartLibrary() {
  library ||= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    Object.assign(script, { src: LIBRARY, onload: resolve, onerror: reject });
    document.head.append(script);
  });
  return library;
}

// Draws into `bars`, whose `data-points` has `at` and `ends` (seconds since 1970), `success`, `failed` and `words` for
// each bar; null where there is nothing to draw.
export function drawChart(bars) {
  chart?.destroy();
  chart = null;
  if (!bars?.dataset.points) return;
  const points = JSON.parse(bars.dataset.points);
  const width = bars.clientWidth;
  if (!points.at.length || !width) return;
  const { all, failed } = barHeights(points);
  chart = new uPlot(chartOptions(points, width), [points.at, all, failed], bars);
  followTouch(chart, points);
}

// Counts as heights: what is not zero is at least MIN_BAR_HEIGHT pixels high.
export function barHeights({ success, failed }) {
  const total = success.map((count, step) => count + failed[step]);
  const least = (Math.max(...total) * MIN_BAR_HEIGHT) / (HEIGHT - AXIS_HEIGHT);
  const height = (count) => (count ? Math.max(count, least) : null);
  return { all: total.map(height), failed: failed.map(height) };
}

// The whole steps that a selection touches, as start and end in seconds since 1970. Steps are not all of one length.
export function selectedPeriod({ at, ends }, from, to) {
  const first = Math.max(
    at.findLastIndex((start) => start <= from),
    0,
  );
  const last = ends.findIndex((end) => end >= to);
  return { start: at[first], end: last < 0 ? ends.at(-1) : ends[last] };
}

// Failures are hatched, so that they differ not by colour alone.
function hatch(ink, paper) {
  const tile = Object.assign(document.createElement("canvas"), { width: 5, height: 5 });
  const pen = tile.getContext("2d");
  pen.fillStyle = paper;
  pen.fillRect(0, 0, 5, 5);
  pen.strokeStyle = ink;
  pen.lineWidth = 2;
  for (const shift of [-5, 0, 5]) {
    pen.beginPath();
    pen.moveTo(shift, 5);
    pen.lineTo(shift + 5, 0);
    pen.stroke();
  }
  return pen.createPattern(tile, "repeat");
}

function chartOptions(points, width) {
  const paths = uPlot.paths.bars({ size: [0.86, 40], align: 1, gap: 1 });
  const zone = document.getElementById("tz")?.value || "UTC";
  const end = points.ends.at(-1);
  const hidden = { show: false };
  return {
    width,
    height: HEIGHT,
    padding: [4, 0, 0, 0],
    legend: hidden,
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), zone),
    scales: { x: { range: () => [points.at[0], end] }, y: { range: (_, __, most) => [0, most || 1] } },
    axes: [timeAxis(points.at[0], end, width, zone), hidden],
    cursor: { y: false, points: hidden, drag: { x: true, y: false, setScale: false } },
    series: [
      {},
      { paths, fill: token("--bar"), width: 0, points: hidden },
      { paths, fill: hatch(token("--red"), token("--paper")), width: 0, points: hidden },
    ],
    hooks: {
      setCursor: [(drawn) => describeBar(points, drawn.cursor.idx)],
      setSelect: [(drawn) => applySelection(drawn, points)],
    },
  };
}

function timeAxis(start, end, width, zone) {
  const room = (value) => {
    const pixels = ((value - start) / (end - start)) * width;
    return Math.min(pixels, width - pixels);
  };
  const label = (value, step) => (room(value) < MIN_LABEL_ROOM ? null : timeLabel(value, step, zone));
  return {
    stroke: token("--ink-2"),
    font: `11px ${token("--sans")}`,
    grid: { show: false },
    ticks: { show: false },
    size: AXIS_HEIGHT,
    gap: 3,
    space: 100,
    values: (_, values, __, ___, step) => values.map((value) => label(value, step)),
  };
}

function timeLabel(value, step, zone) {
  const time = uPlot.tzDate(new Date(value * 1000), zone);
  const isMidnight = !time.getHours() && !time.getMinutes() && !time.getSeconds();
  const clock = step < 60 ? "{HH}:{mm}:{ss}" : "{HH}:{mm}";
  return uPlot.fmtDate(step >= 86_400 || isMidnight ? "{YYYY}-{MM}-{DD}" : clock)(time);
}

// uPlot follows the mouse alone; here a finger that moves sideways selects as well.
function followTouch(drawn, points) {
  const { over } = drawn;
  let start = null;
  const place = (event) => Math.min(Math.max(event.clientX - over.getBoundingClientRect().left, 0), over.clientWidth);
  const select = (left, width, height) => drawn.setSelect({ left, width, top: 0, height }, false);
  const selectTo = (event) => {
    const end = place(event);
    select(Math.min(start, end), Math.abs(end - start), over.clientHeight);
  };
  const onTouch = (type, callback) =>
    over.addEventListener(type, (event) => {
      if (event.pointerType !== "mouse") callback(event);
    });
  onTouch("pointerdown", (event) => {
    start = place(event);
    over.setPointerCapture(event.pointerId);
  });
  onTouch("pointermove", (event) => {
    if (start === null) return;
    selectTo(event);
    describeBar(points, drawn.posToIdx(place(event)));
  });
  onTouch("pointerup", (event) => {
    if (start === null) return;
    selectTo(event);
    start = null;
    applySelection(drawn, points);
  });
  onTouch("pointercancel", () => {
    start = null;
    select(0, 0, 0);
  });
}

// `step`: the place of the bar, null for none.
function describeBar(points, step) {
  const words = document.getElementById("bar-words");
  if (!words) return;
  const count = (counts) => counts[step].toLocaleString("en");
  words.textContent =
    step == null
      ? "Drag to select a period"
      : `${points.words[step]}: ${count(points.success)} success, ${count(points.failed)} failed`;
}

function applySelection(drawn, points) {
  const { left, width } = drawn.select;
  if (width < MIN_SELECTION) return;
  const { start, end } = selectedPeriod(points, drawn.posToVal(left, "x"), drawn.posToVal(left + width, "x"));
  showPeriod(start, end);
}
