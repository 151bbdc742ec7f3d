// Events over time: loaded beside the list, so that rows never wait for it.
//
// The same counts are in a table with links, for those who do not drag or do not see the bars.
import { drawChart, loadChartLibrary } from "./histogram_chart.js";

const PAUSE = 200; // milliseconds without another list before its events are counted
const LIVE_INTERVAL = 10_000; // milliseconds between two requests while events arrive
const UNRELATED = ["columns", "live", "limit"]; // parameters that change no count

let counted = ""; // the filters of the counts that were requested last
let pending = new AbortController();
let liveTimer = 0;
let listTimer = 0;

const figure = () => document.getElementById("histogram");
const bars = () => figure()?.querySelector(".bars");

// The filters that change counts.
export function countedFilters(filters) {
  const parameters = new URLSearchParams(filters);
  for (const name of UNRELATED) parameters.delete(name);
  return parameters.toString();
}

async function load({ force = false } = {}) {
  const results = document.getElementById("results");
  if (!figure() || results.hasAttribute("data-mistaken")) return;
  const filters = countedFilters(results.dataset.filters);
  if (!force && filters === counted && figure().childElementCount) return;
  counted = filters;
  figure().classList.add("older"); // until the counts are those of the list again
  pending.abort();
  pending = new AbortController();
  try {
    const answer = await fetch(`/audit-logs/histogram${results.dataset.filters}`, { signal: pending.signal });
    if (!answer.ok) throw new Error(`The server answered ${answer.status}.`);
    const html = await answer.text();
    await loadChartLibrary();
    show(html);
  } catch (problem) {
    if (problem.name !== "AbortError") showProblem();
  }
}

// The HTML comes from our own server, which has escaped the values in it.
function show(html) {
  const wasOpen = Boolean(figure().querySelector("details[open]"));
  const template = document.createElement("template");
  template.innerHTML = html;
  const details = template.content.querySelector("details");
  if (wasOpen && details) details.open = true;
  figure().replaceChildren(template.content);
  figure().classList.remove("older");
  htmx.process(figure());
  drawChart(bars());
}

function showProblem() {
  if (!figure()) return;
  figure().textContent = "Event counts are not available right now.";
  figure().classList.remove("older");
}

// While live the bars follow, more slowly than the rows.
export function refreshWhileLive() {
  if (liveTimer) return;
  liveTimer = setTimeout(() => {
    liveTimer = 0;
    load({ force: true });
  }, LIVE_INTERVAL);
}

// A chart keeps the width that its place had when it was drawn. While the place is hidden, as behind an open event on a
// phone, it has none.
function redrawOnResize() {
  let width = 0;
  new ResizeObserver(() => {
    const current = figure()?.clientWidth ?? 0;
    if (current && current !== width && bars()) requestAnimationFrame(() => drawChart(bars()));
    width = current;
  }).observe(document.body);
}

export function startHistogram() {
  document.addEventListener("htmx:afterSettle", (event) => {
    if (!["results", "page"].includes(event.detail.target?.id)) return;
    clearTimeout(listTimer);
    listTimer = setTimeout(load, PAUSE);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawChart(bars()));
  redrawOnResize();
  load();
}
