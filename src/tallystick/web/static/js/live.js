// Live: new events appear at the top; Pause freezes the view and counts; a lost connection goes on where it stopped.
//
// The stream starts after the list's `searchable_through`, and a row whose index is already shown
// is not drawn again, so that between list and stream nothing is missed and nothing doubled.
import { refresh } from "./filters.js";
import { eventsArrived } from "./histogram.js";

const MOST_ROWS = 500;
const ROWS_AT_ONCE = 100;
const DRAW_EVERY = 100; // milliseconds; between two drawings the page has time to answer, however much arrives
const MOVED_ROWS = 20; // more at once are drawn without motion
const RETRY = [1000, 2000, 5000, 10000]; // milliseconds, when the browser itself has given up

const at = (id) => document.getElementById(id);
const number = (count) => `${count.toLocaleString("en")} new event${count === 1 ? "" : "s"}`;

let source = null;
let through = -1;
let tries = 0;
let retry = 0;
let drawing = 0;
let state = "off"; // off, starting, on, lost, ended
let paused = false;
let known = new Set(); // the indexes that the list has drawn; the stream itself repeats none
let waiting = []; // [index, HTML] of events that are not drawn yet, newest first, at most MOST_ROWS
let held = 0; // how many arrived since Pause, also those beyond MOST_ROWS
let arrived = 0; // since the list was drawn, without those that are held
let trimmed = false;
let gap = false; // more arrived than could be drawn: what is drawn is not next to what waits
let drawnAt = 0;

function tell() {
  if (!at("live")) return;
  const words = {
    off: "",
    starting: "Connecting…",
    on: paused ? `Paused · ${number(held)} waiting` : "New events appear here",
    lost: paused ? `Connection lost, trying again · paused, ${number(held)} waiting` : "Connection lost, trying again",
    ended: "You are signed out. Sign in to go on.",
  }[state];
  const running = state !== "off" && state !== "ended";
  at("live").hidden = false;
  at("live").classList.toggle("lost", state === "lost");
  at("live").classList.toggle("paused", paused);
  at("live-words").classList.toggle("lost", state === "lost" || state === "ended");
  if (at("live-words").textContent !== words) at("live-words").textContent = words;
  at("live-toggle").setAttribute("aria-pressed", String(running));
  at("live-pause").hidden = !running;
  at("live-pause").textContent = paused ? "Resume" : "Pause";
  at("live-kept").value = running ? "1" : "";
}

function connect() {
  disconnect();
  const results = at("results");
  if (results.hasAttribute("data-mistaken")) return;
  const url = new URL(`/audit-logs/live${results.dataset.filters}`, location.href);
  url.searchParams.set("after", String(through));
  source = new EventSource(url);
  source.addEventListener("open", () => ((tries = 0), (state = "on"), tell()));
  source.addEventListener("rows", (event) => receive(JSON.parse(event.data)));
  source.addEventListener("position", (event) => (through = JSON.parse(event.data).through));
  source.addEventListener("signed-out", () => (disconnect(), (state = "ended"), tell()));
  source.addEventListener("error", lost);
}

function disconnect() {
  clearTimeout(retry);
  source?.close();
  source = null;
}

// While the browser reconnects by itself it sends Last-Event-ID; when it gives up, we ask again from `through`.
function lost(event) {
  if (event.target !== source) return;
  state = "lost";
  tell();
  if (source.readyState === EventSource.CLOSED) retry = setTimeout(connect, RETRY[Math.min(tries++, RETRY.length - 1)]);
}

function receive(batch) {
  through = batch.through;
  const fresh = batch.rows.filter(([index]) => !known.has(index));
  waiting = fresh.concat(waiting);
  gap ||= batch.skipped > 0 || waiting.length > MOST_ROWS;
  waiting.length = Math.min(waiting.length, MOST_ROWS);
  if (paused) held += fresh.length + batch.skipped;
  else arrived += fresh.length + batch.skipped;
  trimmed ||= arrived + held > MOST_ROWS;
  eventsArrived();
  if (paused) tell();
  else drawSoon();
}

function drawSoon() {
  drawing ||= setTimeout(() => requestAnimationFrame(draw), Math.max(0, drawnAt + DRAW_EVERY - performance.now()));
}

// The oldest of those that wait, so that the newest come to stand on top.
function draw(now) {
  drawing = 0;
  if (paused || !waiting.length) return;
  const body = at("rows");
  drawnAt = now;
  if (gap && body.contains(document.activeElement)) at("list").focus({ preventScroll: true });
  if (gap) body.replaceChildren(); // 500 newer ones take the place of all that was drawn
  gap = false;
  const fresh = document.createElement("template");
  const part = waiting.splice(-ROWS_AT_ONCE);
  const undrawn = part.filter(([index]) => !known.has(index)); // paging may have drawn one meanwhile
  fresh.innerHTML = undrawn.map(([, html]) => html).join("");
  if (part.length + waiting.length <= MOVED_ROWS)
    for (const row of fresh.content.children) row.classList.add("arrived");
  body.prepend(fresh.content);
  arrived -= part.length - undrawn.length;
  cut(body);
  at("events").hidden = false;
  if (at("empty")) at("empty").hidden = true;
  at("count-new").textContent = ` · ${number(arrived)} since`;
  at("list").scrollTop = 0;
  if (waiting.length) drawSoon();
}

function cut(body) {
  while (body.rows.length > MOST_ROWS) {
    const last = body.lastElementChild;
    if (last.contains(document.activeElement)) at("list").focus({ preventScroll: true });
    last.remove();
    trimmed = true;
  }
  if (!trimmed || at("more").dataset.trimmed) return;
  const words = document.createElement("p");
  words.className = "end";
  words.textContent = `The newest ${MOST_ROWS} events are shown while live. Switch Live off to page further back.`;
  at("more").dataset.trimmed = "yes";
  at("more").replaceChildren(words);
}

function start() {
  paused = false;
  state = "starting";
  tell();
  keepInUrl();
  refresh("replace", { force: true }); // the list is drawn anew, then `listDrawn` connects
}

function stop() {
  disconnect();
  state = "off";
  paused = false;
  waiting = [];
  held = 0;
  tell();
  keepInUrl();
  if (trimmed) refresh("replace", { force: true });
}

function keepInUrl() {
  const url = new URL(location.href);
  if (at("live-kept").value) url.searchParams.set("live", "1");
  else url.searchParams.delete("live");
  url.searchParams.delete("cursor");
  history.replaceState(history.state, "", url);
}

function listDrawn() {
  arrived = 0;
  trimmed = false;
  waiting = [];
  gap = false;
  held = 0;
  known = new Set(Array.from(at("rows").rows, (row) => Number(row.dataset.index)));
  through = Number(at("results").dataset.through);
  if (state !== "off" && state !== "ended") connect();
  tell();
}

function pauseOrResume() {
  paused = !paused;
  if (!paused) {
    arrived += held;
    held = 0;
    drawSoon();
  }
  tell();
}

const running = () => state !== "off" && state !== "ended";
const toggle = () => (running() ? stop() : start());

// Rows that follow a list may hold an event that the live view has drawn already.
function dropDoubles() {
  const seen = new Set();
  for (const row of [...at("rows").rows]) {
    const index = Number(row.dataset.index);
    if (seen.has(index)) row.remove();
    seen.add(index);
    known.add(index);
  }
}

export function startLive() {
  document.addEventListener("click", (event) => {
    if (event.target.closest("#live-toggle")) {
      toggle();
      if (event.detail) at("list").focus({ preventScroll: true }); // after a pointer, space is for Pause, not for the button
    }
    if (event.target.closest("#live-pause")) pauseOrResume();
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    const id = event.detail.target?.id;
    if (id === "rows") dropDoubles();
    if (id === "results" || id === "page") listDrawn();
  });
  window.addEventListener("pagehide", disconnect);
  window.addEventListener("pageshow", (event) => event.persisted && running() && connect());
  if (at("live-kept").value) state = "starting";
  listDrawn();
  return { toggle, pauseOrResume, running };
}
