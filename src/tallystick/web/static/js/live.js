// The live view: shows new events at the top of the list as they are recorded.
//
// States: off → connecting → live ⇄ lost, and signed-out when the session ends. Pause is independent of the
// connection: while paused nothing is drawn, and events are counted. Likewise while somebody reads further down: rows
// above would move what is being read.
//
// The stream starts after the list's `searchable_through`, and a row whose index the list contains is not drawn
// again, so that no event is missed or shown twice. The class knows no browser: what it needs of one is passed in.
import { EventStream } from "./event_stream.js";
import { MAX_ROWS, RowQueue } from "./row_queue.js";

const ROWS_PER_DRAW = 100;
const DRAW_INTERVAL = 100; // milliseconds; between two draws the page stays responsive, however much arrives
const MAX_ANIMATED_ROWS = 20; // more at once are drawn without motion

export class LiveView {
  #table;
  #clock;
  #callbacks;
  #stream;
  #queue = new RowQueue();
  #state = "off"; // off, connecting, live, lost, signed-out
  #isPaused = false;
  #isDrawScheduled = false;
  #lastDraw = 0;

  // `table` is the list of events (see live_page.js), `openSource(after)` opens an EventSource, `clock` has now,
  // setTimeout, clearTimeout and requestFrame. `callbacks`: onStatus(status), onSwitch() after the view was switched
  // on or off, reload() to load the list again, onEvents() when events arrived. `isOn`: `listLoaded` connects.
  constructor({ table, openSource, clock, callbacks, isOn = false }) {
    if (isOn) this.#state = "connecting";
    this.#table = table;
    this.#clock = clock;
    this.#callbacks = callbacks;
    this.#stream = new EventStream(openSource, clock, {
      onOpen: () => this.#setState("live"),
      onRows: (message) => this.#receive(message),
      onLost: () => this.#setState("lost"),
      onSignedOut: () => this.#setState("signed-out"),
    });
  }

  get isRunning() {
    return this.#state !== "off" && this.#state !== "signed-out";
  }

  toggle() {
    if (this.isRunning) this.#stop();
    else this.#start();
  }

  // The list on the page was replaced: by a search, a filter, or by switching the view on.
  listLoaded() {
    this.#queue.reset(this.#table.indexes());
    if (this.isRunning) this.#stream.start(this.#table.searchableThrough());
    this.#publish();
  }

  // "Older" added rows at the end of the list, which the stream may have delivered already.
  olderRowsLoaded() {
    this.#table.removeDuplicates();
    this.#queue.markShown(this.#table.indexes());
  }

  togglePause() {
    this.#isPaused = !this.#isPaused;
    if (!this.#isHeld) this.#release();
    this.#publish();
  }

  // The list was scrolled.
  scrolled() {
    if (!this.#queue.length || this.#isHeld) return;
    this.#release();
    this.#publish();
  }

  // The browser puts the page aside (closed, or kept for Back) and may show it again.
  disconnect() {
    this.#stream.close();
  }

  reconnect() {
    if (this.isRunning) this.#stream.resume();
  }

  get #isHeld() {
    return this.#isPaused || !this.#table.isAtTop();
  }

  // Events that wait only until somebody is at the top again.
  get #undrawn() {
    return this.#isHeld ? Math.max(this.#queue.held, this.#queue.length) : 0;
  }

  #release() {
    this.#queue.release();
    this.#scheduleDraw();
  }

  #start() {
    this.#isPaused = false;
    this.#setState("connecting");
    this.#callbacks.onSwitch();
    this.#callbacks.reload(); // and then `listLoaded` connects
  }

  #stop() {
    this.#stream.close();
    this.#isPaused = false;
    this.#queue.clear();
    this.#setState("off");
    this.#callbacks.onSwitch();
    if (this.#queue.overflowed) this.#callbacks.reload();
  }

  #setState(state) {
    this.#state = state;
    this.#publish();
  }

  #publish() {
    this.#callbacks.onStatus({
      state: this.#state,
      isRunning: this.isRunning,
      isPaused: this.#isPaused,
      newCount: this.isRunning && !this.#isPaused ? this.#undrawn : 0,
      text: statusText(this.#state, this.#isPaused, this.#queue.held),
    });
  }

  #receive(message) {
    this.#queue.add(message, this.#isHeld);
    this.#callbacks.onEvents();
    if (this.#isHeld) this.#publish();
    else this.#scheduleDraw();
  }

  #scheduleDraw() {
    if (this.#isDrawScheduled) return;
    this.#isDrawScheduled = true;
    const delay = Math.max(0, this.#lastDraw + DRAW_INTERVAL - this.#clock.now());
    this.#clock.setTimeout(() => this.#clock.requestFrame((now) => this.#draw(now)), delay);
  }

  #draw(now) {
    this.#isDrawScheduled = false;
    const waiting = this.#queue.length;
    if (!waiting) return;
    if (this.#isHeld) {
      this.#publish();
      return;
    }
    this.#lastDraw = now;
    if (this.#queue.hasGap) this.#table.clear(); // 500 newer rows replace all of them
    const rows = this.#queue.take(ROWS_PER_DRAW);
    this.#table.prepend(
      rows.map(([, html]) => html),
      waiting <= MAX_ANIMATED_ROWS,
    );
    if (this.#table.trim(MAX_ROWS)) this.#queue.overflowed = true;
    if (this.#queue.overflowed)
      this.#table.showLimit(`Live shows the newest ${MAX_ROWS} events. Turn Live off to see older ones.`);
    this.#table.showNewCount(` · ${countText(this.#queue.arrived)} since`);
    if (this.#queue.length) this.#scheduleDraw();
  }
}

// What the page says about the live view.
export function statusText(state, isPaused, held) {
  switch (state) {
    case "connecting":
      return "Connecting…";
    case "live":
      return isPaused ? `Paused · ${countText(held)} waiting` : "New events appear here";
    case "lost":
      return `Connection lost, reconnecting${isPaused ? ` · paused, ${countText(held)} waiting` : ""}`;
    case "signed-out":
      return "You are signed out. Sign in to continue.";
    default:
      return "";
  }
}

export const countText = (count) => `${count.toLocaleString("en")} new event${count === 1 ? "" : "s"}`;
