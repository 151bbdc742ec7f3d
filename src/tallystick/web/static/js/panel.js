// The detail panel: opened from a row without losing the list, closed again with the focus where it was.

const WIDE = window.matchMedia("(min-width: 861px)");
const PLACE = { htmx: true }; // marks a step of the history that htmx goes back to by loading the page
let scrolled = 0;

const panel = () => document.querySelector("#panel .panel");
const rowOf = (id) => document.querySelector(`#rows tr[data-id="${CSS.escape(id)}"]`);
const withoutScript = () => document.querySelectorAll("[data-script][hidden]").forEach((element) => (element.hidden = false));

export function openRow(row) {
  const link = row?.querySelector("a.open");
  if (!link) return;
  scrolled = WIDE.matches ? scrolled : window.scrollY;
  const url = new URL(location.href);
  url.pathname = new URL(link.href).pathname;
  url.searchParams.delete("cursor");
  const address = url.pathname + url.search;
  htmx.ajax("GET", address, { source: link, target: "#panel", swap: "innerHTML" }).then(() => {
    if (panel()?.dataset.id === row.dataset.id && location.pathname !== url.pathname) history.pushState(PLACE, "", address);
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
  (row?.querySelector("a.open") ?? document.getElementById("list")).focus({ preventScroll: Boolean(row) && !WIDE.matches });
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

function clicked(event) {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
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

async function copy(event) {
  const button = event.target.closest("[data-copy], [data-copy-text], [data-copy-link]");
  if (!button) return;
  const text = "copyLink" in button.dataset ? location.href : (button.dataset.copyText ?? document.querySelector(button.dataset.copy).textContent);
  const copied = document.getElementById("copied");
  try {
    await navigator.clipboard.writeText(text);
    copied.textContent = "Copied.";
  } catch {
    copied.textContent = "The browser does not allow copying here.";
  }
}

export function startPanel() {
  if (!history.state) history.replaceState(PLACE, "");
  withoutScript();
  document.addEventListener("click", clicked);
  document.addEventListener("click", copy);
  document.addEventListener("htmx:afterSwap", (event) => {
    withoutScript();
    if (event.detail.target?.id !== "panel" || !panel()) return;
    choose(panel().dataset.id ?? null);
    document.getElementById("panel").scrollTop = 0;
    if (!WIDE.matches) window.scrollTo(0, 0);
    document.getElementById("panel-title").focus({ preventScroll: true });
  });
}
