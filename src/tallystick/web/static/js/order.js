// Answers in the order of their questions: an older answer never replaces a newer one.
//
// Every request that draws the list anew takes a number. Its answer is shown only if no answer with
// a higher number was shown before. Rows that follow a list are shown only under that list, and of
// several events that are opened only the last.

const KINDS = { results: "list", page: "list", rows: "more", panel: "panel" };
const asked = { list: 0, panel: 0 };
let shown = 0;
const numbers = new WeakMap();

const isStale = {
  list: (number) => number < shown,
  more: (number) => number !== shown,
  panel: (number) => number !== asked.panel,
};

export function startOrder() {
  document.addEventListener("htmx:configRequest", (event) => {
    const kind = KINDS[event.detail.target?.id];
    if (kind) numbers.set(event.detail, { kind, number: kind === "more" ? shown : ++asked[kind] });
  });
  document.addEventListener("htmx:beforeOnLoad", (event) => {
    const request = numbers.get(event.detail.requestConfig);
    if (!request) return;
    if (isStale[request.kind](request.number)) event.preventDefault();
    else if (request.kind === "list") shown = request.number;
  });
}
