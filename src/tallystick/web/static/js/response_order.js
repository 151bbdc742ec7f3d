// Responses in the order of their requests: an older response never replaces a newer one.
//
// Every request that loads the list takes a number. Its response is shown only if no response with a higher number
// was shown before. Rows that continue a list are shown only under that list, and of several events that are opened
// only the last.

const KINDS = { results: "list", page: "list", rows: "more", panel: "panel" }; // by the id of the target

export class ResponseOrder {
  #requested = { list: 0, panel: 0 };
  #shownList = 0;
  #requests = new WeakMap(); // what identifies a request → its kind and number

  // `key` is an object that the response comes with.
  request(key, targetId) {
    const kind = KINDS[targetId];
    if (!kind) return;
    if (kind !== "more") this.#requested[kind] += 1;
    this.#requests.set(key, { kind, number: kind === "more" ? this.#shownList : this.#requested[kind] });
  }

  // Whether the response may be shown; a list counts as shown from then on.
  accept(key) {
    const { kind, number } = this.#requests.get(key) ?? {};
    switch (kind) {
      case "list":
        if (number < this.#shownList) return false;
        this.#shownList = number;
        return true;
      case "more":
        return number === this.#shownList;
      case "panel":
        return number === this.#requested.panel;
      default:
        return true;
    }
  }
}

export function startResponseOrder() {
  const order = new ResponseOrder();
  document.addEventListener("htmx:configRequest", (event) => order.request(event.detail, event.detail.target?.id));
  document.addEventListener("htmx:beforeOnLoad", (event) => {
    if (!order.accept(event.detail.requestConfig)) event.preventDefault();
  });
}
