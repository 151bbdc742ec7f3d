// The detail panel: opens from a row without losing the list; closing it returns the focus to the row.
import { addTerm } from "./search_terms.js";

const WIDE = window.matchMedia("(min-width: 861px)");
const HISTORY_STATE = { htmx: true }; // htmx returns to such a step of the history by loading the page
let scrollBefore = 0;

const panel = () => document.querySelector("#panel .panel");
const rowOf = (id) => document.querySelector(`#rows tr[data-id="${CSS.escape(id)}"]`);

export function openRow(row) {
  const link = row?.querySelector("a.open");
  if (!link) return;
  scrollBefore = WIDE.matches ? scrollBefore : window.scrollY;
  const url = new URL(location.href);
  url.pathname = new URL(link.href).pathname;
  url.searchParams.delete("cursor");
  const address = url.pathname + url.search;
  htmx.ajax("GET", address, { source: link, target: "#panel", swap: "innerHTML" }).then(() => {
    const isShown = panel()?.dataset.id === row.dataset.id;
    if (isShown && location.pathname !== url.pathname) history.pushState(HISTORY_STATE, "", address);
  });
}

// Closes the panel; returns whether there was one.
export function closePanel() {
  const open = panel();
  if (!open) return false;
  const row = open.dataset.id && rowOf(open.dataset.id);
  document.getElementById("panel").replaceChildren();
  markRow(null);
  history.pushState(HISTORY_STATE, "", `/audit-logs${location.search}`);
  if (!WIDE.matches) window.scrollTo(0, scrollBefore);
  const focus = row?.querySelector("a.open") ?? document.getElementById("list");
  focus.focus({ preventScroll: Boolean(row) && !WIDE.matches });
  return true;
}

// Marks the row of the open event, and no other.
function markRow(id) {
  for (const row of document.querySelectorAll("#rows tr.chosen")) {
    row.classList.remove("chosen");
    row.querySelector("a.open").removeAttribute("aria-current");
  }
  const row = id && rowOf(id);
  row?.classList.add("chosen");
  row?.querySelector("a.open").setAttribute("aria-current", "true");
}

// "Only" and "Exclude" at a value. The list may have been narrowed since the panel was drawn: the filter or term is
// added to the current address.
function addFilter(link) {
  const { filter, value, term } = link.dataset;
  const url = new URL(location.href);
  url.searchParams.delete("cursor");
  if (filter) url.searchParams.set(filter, value);
  else url.searchParams.set("q", addTerm(url.searchParams.get("q") ?? "", term));
  location.assign(url);
}

function onClick(event) {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  const action = actionOf(event.target);
  if (!action) return;
  event.preventDefault();
  action();
}

function actionOf(target) {
  const link = target.closest(".value-acts a");
  if (link) return () => addFilter(link);
  if (target.closest("#panel-close")) return closePanel;
  const row = target.closest("#rows tr");
  const isSelecting = !target.closest("a.open") && !getSelection().isCollapsed;
  return row && !isSelecting ? () => openRow(row) : null;
}

function onSwap(event) {
  if (event.detail.target?.id !== "panel" || !panel()) return;
  markRow(panel().dataset.id ?? null);
  if (!WIDE.matches) window.scrollTo(0, 0);
  document.getElementById("panel-title").focus({ preventScroll: true });
}

export function startPanel() {
  if (!history.state) history.replaceState(HISTORY_STATE, "");
  document.addEventListener("click", onClick);
  document.addEventListener("htmx:afterSwap", onSwap);
}
