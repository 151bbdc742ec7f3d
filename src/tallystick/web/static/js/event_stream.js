// Server-sent events that survive a lost connection: without loss, and without an event twice.
//
// While the browser reconnects by itself it sends Last-Event-ID. When it gives up, the stream is opened again after
// the last index that was received.

const RETRY_DELAYS = [1000, 2000, 5000, 10_000]; // milliseconds, by number of failed attempts
const CLOSED = 2; // EventSource.CLOSED

export class EventStream {
  #open;
  #clock;
  #handlers;
  #source = null;
  #lastIndex = -1;
  #attempts = 0;
  #retryTimer = 0;

  // `open(after)` returns an EventSource, or null where there is nothing to follow.
  // `handlers`: onOpen(), onRows(message), onLost(), onSignedOut().
  constructor(open, clock, handlers) {
    this.#open = open;
    this.#clock = clock;
    this.#handlers = handlers;
  }

  // Follows the events with an index above `after`.
  start(after) {
    this.#lastIndex = after;
    this.resume();
  }

  // Connects, and continues after the last event that was received.
  resume() {
    this.close();
    const source = this.#open(this.#lastIndex);
    if (!source) return;
    this.#source = source;
    source.addEventListener("open", () => this.#opened());
    source.addEventListener("rows", (event) => this.#received(JSON.parse(event.data)));
    source.addEventListener("position", (event) => this.#advance(JSON.parse(event.data)));
    source.addEventListener("signed-out", () => this.#signedOut());
    source.addEventListener("error", () => this.#failed(source));
  }

  close() {
    this.#clock.clearTimeout(this.#retryTimer);
    this.#source?.close();
    this.#source = null;
  }

  #opened() {
    this.#attempts = 0;
    this.#handlers.onOpen();
  }

  #received(message) {
    this.#advance(message);
    this.#handlers.onRows(message);
  }

  #advance({ through }) {
    this.#lastIndex = through;
  }

  #signedOut() {
    this.close();
    this.#handlers.onSignedOut();
  }

  #failed(source) {
    if (source !== this.#source) return;
    this.#handlers.onLost();
    if (source.readyState !== CLOSED) return;
    const delay = RETRY_DELAYS[Math.min(this.#attempts, RETRY_DELAYS.length - 1)];
    this.#attempts += 1;
    this.#retryTimer = this.#clock.setTimeout(() => this.resume(), delay);
  }
}
