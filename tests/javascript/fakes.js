import { LiveView } from "../../src/tallystick/web/static/js/live.js";

// The edges of the live view, without a browser.

// An EventSource that a test speaks through.
export class FakeEventSource {
  #listeners = new Map();

  constructor(after) {
    this.after = after;
    this.readyState = 0;
  }

  addEventListener(type, listener) {
    this.#listeners.set(type, listener);
  }

  close() {
    this.readyState = 2;
  }

  emit(type, data) {
    if (type === "open") this.readyState = 1;
    this.#listeners.get(type)?.({ target: this, data: JSON.stringify(data) });
  }

  // The connection is gone; the browser reconnects by itself unless it gave up.
  fail({ gaveUp = false } = {}) {
    this.readyState = gaveUp ? 2 : 0;
    this.emit("error");
  }
}

// A clock that a test moves; frames come at once.
export class FakeClock {
  #timers = new Map();
  #time = 1000;
  #lastId = 0;

  now() {
    return this.#time;
  }

  setTimeout(callback, delay) {
    this.#lastId += 1;
    this.#timers.set(this.#lastId, { callback, at: this.#time + delay });
    return this.#lastId;
  }

  clearTimeout(id) {
    this.#timers.delete(id);
  }

  requestFrame(callback) {
    callback(this.#time);
  }

  get isIdle() {
    return this.#timers.size === 0;
  }

  // Runs what is due within `milliseconds`, in order.
  advance(milliseconds) {
    const end = this.#time + milliseconds;
    for (let next = this.#next(end); next; next = this.#next(end)) {
      const [id, timer] = next;
      this.#timers.delete(id);
      this.#time = timer.at;
      timer.callback();
    }
    this.#time = end;
  }

  #next(end) {
    const due = [...this.#timers].filter(([, timer]) => timer.at <= end);
    return due.sort(([, one], [, other]) => one.at - other.at)[0];
  }
}

// The list: indexes instead of rows, newest first. `draws` has what each draw added.
export class FakeTable {
  rows = [];
  draws = [];
  isScrolled = false;
  limit = "";
  newCount = "";
  through = -1;

  load(rows, through = rows[0] ?? -1) {
    this.rows = [...rows];
    this.through = through;
    this.limit = "";
    this.newCount = "";
  }

  indexes() {
    return [...this.rows];
  }

  isAtTop() {
    return !this.isScrolled;
  }

  searchableThrough() {
    return this.through;
  }

  clear() {
    this.rows = [];
  }

  prepend(rows, isAnimated) {
    const indexes = rows.map((html) => Number(html.match(/\d+/)[0]));
    this.rows.unshift(...indexes);
    this.draws.push({ rows: indexes, isAnimated });
  }

  trim(maxRows) {
    const isTooLong = this.rows.length > maxRows;
    this.rows.length = Math.min(this.rows.length, maxRows);
    return isTooLong;
  }

  removeDuplicates() {
    this.rows = [...new Set(this.rows)];
  }

  showLimit(text) {
    this.limit = text;
  }

  showNewCount(text) {
    this.newCount = text;
  }
}

// A message of the stream with the rows `first` to `last`, newest first.
export function message(first, last, skipped = 0) {
  const rows = [];
  for (let index = last; index >= first; index--) rows.push([index, `<tr data-index="${index}"></tr>`]);
  return { rows, skipped, through: last };
}

export function newestFirst(first, last) {
  return Array.from({ length: last - first + 1 }, (_, place) => last - place);
}

// A live view with fakes around it, and what it told the page.
export class LivePage {
  table = new FakeTable();
  clock = new FakeClock();
  sources = []; // every connection that was opened, oldest first
  isMistaken = false; // the search cannot be understood
  status = null; // what the page shows
  switches = []; // for each time the view was switched, whether it runs
  reloads = 0; // of the list
  messages = 0; // of the stream, as the histogram hears of them

  constructor(options = {}) {
    this.view = new LiveView({
      table: this.table,
      clock: this.clock,
      openSource: (after) => this.#open(after),
      callbacks: {
        onStatus: (status) => {
          this.status = status;
        },
        onSwitch: () => this.switches.push(this.status.isRunning),
        onEvents: () => {
          this.messages += 1;
        },
        reload: () => {
          this.reloads += 1;
        },
      },
      ...options,
    });
  }

  // The connection that was opened last.
  get source() {
    return this.sources.at(-1);
  }

  #open(after) {
    if (this.isMistaken) return null;
    this.sources.push(new FakeEventSource(after));
    return this.source;
  }
}

// A page with the rows 10 … 1 whose live view follows the stream.
export function connectedPage() {
  const page = new LivePage({ isOn: true });
  page.table.load(newestFirst(1, 10));
  page.view.listLoaded();
  page.source.emit("open");
  return page;
}
