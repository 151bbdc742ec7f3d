// Connects the live view with the page: the table, the Live and Pause buttons, the URL, the server's stream.
import { refresh } from "./filters.js";
import { refreshWhileLive } from "./histogram.js";
import { LiveView } from "./live.js";

const byId = (id) => document.getElementById(id);

const AT_TOP = 8; // pixels that the list may be scrolled and still be at its top

const table = {
  // On a phone the page scrolls instead of the list.
  isAtTop: () => byId("list").scrollTop <= AT_TOP && byId("list").getBoundingClientRect().top >= -AT_TOP,

  indexes: () => Array.from(byId("rows").rows, (row) => Number(row.dataset.index)),
  searchableThrough: () => Number(byId("results").dataset.through),

  clear() {
    keepFocus(byId("rows"));
    byId("rows").replaceChildren();
  },

  // `rows` is HTML from our own server, which has escaped the values in it.
  prepend(rows, isAnimated) {
    const fragment = document.createElement("template");
    fragment.innerHTML = rows.join("");
    if (isAnimated) for (const row of fragment.content.children) row.classList.add("arrived");
    byId("rows").prepend(fragment.content);
    byId("events").hidden = false;
    if (byId("empty")) byId("empty").hidden = true;
    byId("list").scrollTop = 0;
  },

  // Removes the oldest rows; returns whether there were any.
  trim(maxRows) {
    const rows = byId("rows").rows;
    const isTooLong = rows.length > maxRows;
    while (rows.length > maxRows) {
      keepFocus(rows[rows.length - 1]);
      rows[rows.length - 1].remove();
    }
    return isTooLong;
  },

  removeDuplicates() {
    const seen = new Set();
    for (const row of [...byId("rows").rows]) {
      if (seen.has(row.dataset.index)) row.remove();
      seen.add(row.dataset.index);
    }
  },

  // Replaces the link to older events.
  showLimit(text) {
    const more = byId("more");
    if (more.dataset.trimmed) return;
    more.dataset.trimmed = "yes";
    more.replaceChildren(Object.assign(document.createElement("p"), { className: "end", textContent: text }));
  },

  showNewCount(text) {
    byId("count-new").textContent = text;
  },
};

// An element with the focus is about to go: the list takes the focus.
function keepFocus(element) {
  if (element.contains(document.activeElement)) byId("list").focus({ preventScroll: true });
}

function openSource(after) {
  const results = byId("results");
  if (results.hasAttribute("data-mistaken")) return null;
  const url = new URL(`/audit-logs/live${results.dataset.filters}`, location.href);
  url.searchParams.set("after", String(after));
  return new EventSource(url);
}

function showStatus({ state, isRunning, isPaused, newCount, text }) {
  const live = byId("live");
  if (!live) return;
  live.hidden = false;
  live.classList.toggle("lost", state === "lost");
  live.classList.toggle("paused", isPaused);
  const words = byId("live-words");
  words.classList.toggle("lost", state === "lost" || state === "signed-out");
  if (words.textContent !== text) words.textContent = text; // a screen reader announces each assignment
  const fresh = byId("live-new");
  fresh.hidden = !newCount;
  fresh.textContent = `${newCount.toLocaleString("en")} new ↑`;
  byId("live-toggle").setAttribute("aria-pressed", String(isRunning));
  byId("live-pause").hidden = !isRunning;
  byId("live-pause").textContent = isPaused ? "Resume" : "Pause";
  byId("live-kept").value = isRunning ? "1" : "";
}

function updateUrl() {
  const url = new URL(location.href);
  if (byId("live-kept").value) url.searchParams.set("live", "1");
  else url.searchParams.delete("live");
  url.searchParams.delete("cursor");
  history.replaceState(history.state, "", url);
}

export function startLive() {
  const view = new LiveView({
    table,
    openSource,
    clock: {
      now: () => performance.now(),
      setTimeout: (callback, delay) => setTimeout(callback, delay),
      clearTimeout: (timer) => clearTimeout(timer),
      requestFrame: (callback) => requestAnimationFrame(callback),
    },
    callbacks: {
      onStatus: showStatus,
      onSwitch: updateUrl,
      onEvents: refreshWhileLive,
      reload: () => refresh("replace", { force: true }),
    },
    isOn: Boolean(byId("live-kept").value),
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("#live-toggle")) {
      view.toggle();
      if (event.detail) byId("list").focus({ preventScroll: true }); // after a click, Space is for Pause, not the button
    }
    if (event.target.closest("#live-pause")) view.togglePause();
    if (event.target.closest("#live-new")) {
      byId("list").scrollTop = 0;
      byId("list").scrollIntoView({ block: "nearest" });
      byId("list").focus({ preventScroll: true });
    }
  });
  document.addEventListener("scroll", () => view.scrolled(), { capture: true, passive: true });
  document.addEventListener("htmx:afterSwap", (event) => {
    const id = event.detail.target?.id;
    if (id === "rows") view.olderRowsLoaded();
    if (id === "results" || id === "page") view.listLoaded();
  });
  window.addEventListener("pagehide", () => view.disconnect());
  window.addEventListener("pageshow", (event) => event.persisted && view.reconnect());
  view.listLoaded();
  return view;
}
