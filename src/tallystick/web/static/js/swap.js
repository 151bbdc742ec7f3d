// Rows go past htmx, which would look at each of their elements twice; and what it tells once for each part
// of an answer is told once for the whole.

const ROWS = /(<tbody[^>]* id="rows">)([^]*)(?=<\/tbody>)/;
const rowsOf = new WeakMap();
const told = { "htmx:afterSwap": new WeakSet(), "htmx:afterSettle": new WeakSet() };

function takeRows(event) {
  const { target, xhr, shouldSwap } = event.detail;
  if (target?.id !== "results" || !shouldSwap || !ROWS.test(event.detail.serverResponse)) return;
  event.detail.serverResponse = event.detail.serverResponse.replace(ROWS, (_, opening, rows) => {
    rowsOf.set(xhr, rows);
    return opening;
  });
  document.getElementById("rows").replaceChildren();
}

// The fragment comes from our own server, which has escaped what is in it.
function putRows(xhr) {
  const rows = rowsOf.get(xhr);
  if (rows === undefined) return;
  rowsOf.delete(xhr);
  document.getElementById("rows").innerHTML = rows;
}

function tellOnce(event) {
  const { xhr } = event.detail;
  if (!xhr) return;
  if (told[event.type].has(xhr)) return event.stopImmediatePropagation();
  told[event.type].add(xhr);
  if (event.type === "htmx:afterSwap") putRows(xhr);
}

// Before any other part of the page listens.
export function startSwap() {
  document.addEventListener("htmx:beforeSwap", takeRows);
  for (const type of Object.keys(told)) document.addEventListener(type, tellOnce);
}
