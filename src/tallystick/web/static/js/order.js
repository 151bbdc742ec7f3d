// Answers in the order of their questions: an older answer never replaces a newer one.
//
// Every request that draws the list anew takes a number. An answer is shown only if no answer
// with a higher number was shown before; rows that follow a list are shown only under that list.

let asked = 0;
let shown = 0;
const numbers = new WeakMap();

const role = (target) => ({ results: "list", page: "list", rows: "more" })[target?.id];

export function startOrder() {
  document.addEventListener("htmx:configRequest", (event) => {
    const kind = role(event.detail.target);
    if (kind === "list") numbers.set(event.detail, { kind, number: ++asked });
    if (kind === "more") numbers.set(event.detail, { kind, number: shown });
  });
  document.addEventListener("htmx:beforeOnLoad", (event) => {
    const request = numbers.get(event.detail.requestConfig);
    if (!request) return;
    const stale = request.kind === "list" ? request.number < shown : request.number !== shown;
    if (stale) event.preventDefault();
    else if (request.kind === "list") shown = request.number;
  });
}
