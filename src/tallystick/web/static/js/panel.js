// The detail panel: opened from a row without losing the list, closed again with the focus where it was.
import { startCopying } from "./copying.js";
import { startWidth } from "./width.js";

const WIDE = window.matchMedia("(min-width: 861px)");
const PLACE = { htmx: true }; // marks a step of the history that htmx goes back to by loading the page
let scrolled = 0;

const panel = () => document.querySelector("#panel .panel");
const rowOf = (id) => document.querySelector(`#rows tr[data-id="${CSS.escape(id)}"]`);

export function openRow(row) {
  const link = row?.querySelector("a.open");
  if (!link) return;
  scrolled = WIDE.matches ? scrolled : window.scrollY;
  const url = new URL(location.href);
  url.pathname = new URL(link.href).pathname;
  url.searchParams.delete("cursor");
  const address = url.pathname + url.search;
  htmx.ajax("GET", address, { source: link, target: "#panel", swap: "innerHTML" }).then(() => {
    if (panel()?.dataset.id === row.dataset.id && location.pathname !== url.pathname)
      history.pushState(PLACE, "", address);
  });
}

// Closes the panel; tells whether there was one.
export function closePanel() {
  const open = panel();
  if (!open) return false;
  const row = open.dataset.id && rowOf(open.dataset.id);
  document.getElementById("panel").replaceChildren();
  choose(null);
  history.pushState(PLACE, "", "/audit-logs" + location.search);
  if (!WIDE.matches) window.scrollTo(0, scrolled);
  (row?.querySelector("a.open") ?? document.getElementById("list")).focus({
    preventScroll: Boolean(row) && !WIDE.matches,
  });
  return true;
}

function choose(id) {
  for (const row of document.querySelectorAll("#rows tr.chosen")) {
    row.classList.remove("chosen");
    row.querySelector("a.open").removeAttribute("aria-current");
  }
  const row = id && rowOf(id);
  row?.classList.add("chosen");
  row?.querySelector("a.open").setAttribute("aria-current", "true");
}

// The list may have been narrowed since the panel was drawn: a link adds to what the address says now.
function narrow(link) {
  const url = new URL(location.href);
  url.searchParams.delete("cursor");
  if (link.dataset.filter) {
    url.searchParams.set(link.dataset.filter, link.dataset.value);
  } else {
    const words = url.searchParams.get("q") ?? "";
    const all = /\bOR\b/.test(words) ? `(${words})` : words;
    if (!` ${words} `.includes(` ${link.dataset.said} `))
      url.searchParams.set("q", `${all} ${link.dataset.said}`.trim());
  }
  location.assign(url);
}

function clicked(event) {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  const link = event.target.closest(".value-acts a");
  if (link) {
    event.preventDefault();
    narrow(link);
    return;
  }
  if (event.target.closest("#panel-close")) {
    event.preventDefault();
    closePanel();
    return;
  }
  const row = event.target.closest("#rows tr");
  if (!row || (!event.target.closest("a.open") && !getSelection().isCollapsed)) return;
  event.preventDefault();
  openRow(row);
}

export function startPanel() {
  if (!history.state) history.replaceState(PLACE, "");
  startCopying();
  startWidth();
  document.addEventListener("click", clicked);
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target?.id !== "panel" || !panel()) return;
    choose(panel().dataset.id ?? null);
    if (!WIDE.matches) window.scrollTo(0, 0);
    document.getElementById("panel-title").focus({ preventScroll: true });
  });
}
