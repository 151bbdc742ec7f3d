// Two shortcuts around htmx, for speed. Rows are inserted without it, since it looks at each of their elements twice;
// and events that it sends once for each part of an answer reach the other scripts once for the whole answer.

const ROWS = /(<tbody[^>]* id="rows">)([\s\S]*)(?=<\/tbody>)/;
const rowsOf = new WeakMap(); // request → HTML of its rows
const sentFor = { "htmx:afterSwap": new WeakSet(), "htmx:afterSettle": new WeakSet() };

function extractRows(event) {
  const { target, xhr, shouldSwap } = event.detail;
  if (target?.id !== "results" || !shouldSwap || !ROWS.test(event.detail.serverResponse)) return;
  event.detail.serverResponse = event.detail.serverResponse.replace(ROWS, (_, opening, rows) => {
    rowsOf.set(xhr, rows);
    return opening;
  });
  document.getElementById("rows").replaceChildren();
}

// The HTML comes from our own server, which has escaped the values in it.
function insertRows(xhr) {
  const rows = rowsOf.get(xhr);
  if (rows === undefined) return;
  rowsOf.delete(xhr);
  document.getElementById("rows").innerHTML = rows;
}

function sendOnce(event) {
  const { xhr } = event.detail;
  if (!xhr) return;
  if (sentFor[event.type].has(xhr)) {
    event.stopImmediatePropagation();
    return;
  }
  sentFor[event.type].add(xhr);
  if (event.type === "htmx:afterSwap") insertRows(xhr);
}

// To be called before any other part of the page listens.
export function startHtmxSwap() {
  document.addEventListener("htmx:beforeSwap", extractRows);
  for (const type of Object.keys(sentFor)) document.addEventListener(type, sendOnce);
}
