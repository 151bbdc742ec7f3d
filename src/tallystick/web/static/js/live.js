// Live: new events appear at the top; Pause freezes the view and counts; a lost connection goes on where it stopped.
//
// The stream starts after the list's `searchable_through`, and a row whose index is already shown
// is not drawn again, so that between list and stream nothing is missed and nothing doubled.
import { refresh } from "./filters.js";

const MOST_ROWS = 500;
const DRAW_EVERY = 100; // milliseconds between two drawings
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
let waitingCount = 0; // how many arrived since the last drawing, also those beyond MOST_ROWS
let arrived = 0; // drawn since the list was drawn
let trimmed = false;

function tell() {
  if (!at("live")) return;
  const words = {
    off: "",
    starting: "Connecting…",
    on: paused ? `Paused · ${number(waitingCount)}` : "New events appear here",
    lost: paused ? `Connection lost, trying again · paused, ${number(waitingCount)}` : "Connection lost, trying again",
    ended: "You are signed out. Sign in to go on.",
  }[state];
  const running = state !== "off" && state !== "ended";
  at("live").hidden = false;
  at("live").classList.toggle("lost", state === "lost");
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
  waiting = fresh.concat(waiting).slice(0, MOST_ROWS);
  waitingCount += fresh.length + batch.skipped;
  trimmed ||= waitingCount > MOST_ROWS;
  if (paused) tell();
  else drawing ||= setTimeout(draw, DRAW_EVERY);
}

function draw() {
  drawing = 0;
  if (paused || !waiting.length) return;
  const body = at("rows");
  const fresh = document.createElement("template");
  const undrawn = waiting.filter(([index]) => !known.has(index)); // paging may have drawn one meanwhile
  fresh.innerHTML = undrawn.map(([, html]) => html).join("");
  for (const row of fresh.content.children) row.classList.add("arrived");
  body.prepend(fresh.content);
  arrived += waitingCount - (waiting.length - undrawn.length);
  waiting = [];
  waitingCount = 0;
  cut(body);
  at("events").hidden = false;
  if (at("empty")) at("empty").hidden = true;
  at("count-new").textContent = ` · ${number(arrived)} since`;
  at("list").scrollTop = 0;
}

function cut(body) {
  while (body.rows.length > MOST_ROWS) {
    body.lastElementChild.remove();
    trimmed = true;
  }
  if (!trimmed) return;
  const words = document.createElement("p");
  words.className = "end";
  words.textContent = `The newest ${MOST_ROWS} events are shown while live. Switch Live off to page further back.`;
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
  waitingCount = 0;
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
  waitingCount = 0;
  known = new Set(Array.from(at("rows").rows, (row) => Number(row.dataset.index)));
  through = Number(at("results").dataset.through);
  if (state !== "off" && state !== "ended") connect();
  tell();
}

function pauseOrResume() {
  paused = !paused;
  tell();
  if (!paused) draw();
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
