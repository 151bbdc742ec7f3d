// New events that are not on the page yet, and how many arrived since the list was loaded.

export const MAX_ROWS = 500; // rows of a live list; the server sends no more in one message

export class RowQueue {
  #rows = []; // [index, HTML], newest first, at most MAX_ROWS
  #shown = new Set(); // indexes of the rows that the list itself contained; the stream never repeats its own

  arrived = 0; // events since the list was loaded, without those held by Pause
  held = 0; // events since Pause, including those beyond MAX_ROWS
  overflowed = false; // more events arrived than the list can show
  hasGap = false; // events were dropped: the queued rows do not continue the rows on the page

  get length() {
    return this.#rows.length;
  }

  // Starts again with a list that was just loaded; `indexes` are those of its rows.
  reset(indexes) {
    this.clear();
    this.#shown = new Set(indexes);
    this.arrived = 0;
    this.overflowed = false;
    this.hasGap = false;
  }

  // Drops what waits.
  clear() {
    this.#rows = [];
    this.held = 0;
  }

  // A message of the stream: `rows` newest first, `skipped` events that it counts without their rows.
  add({ rows, skipped }, isPaused) {
    const fresh = rows.filter(([index]) => !this.#shown.has(index));
    this.#rows = fresh.concat(this.#rows);
    this.hasGap ||= skipped > 0 || this.#rows.length > MAX_ROWS;
    this.#rows.length = Math.min(this.#rows.length, MAX_ROWS);
    if (isPaused) this.held += fresh.length + skipped;
    else this.arrived += fresh.length + skipped;
    this.overflowed ||= this.arrived + this.held > MAX_ROWS;
  }

  // Pause is over: the held events count as arrived.
  release() {
    this.arrived += this.held;
    this.held = 0;
  }

  // Removes the oldest `count` rows and returns them newest first, so that the newest end up on top of the list.
  // Rows that "Older" loaded meanwhile are left out and no longer counted.
  take(count) {
    const batch = this.#rows.splice(-count);
    const fresh = batch.filter(([index]) => !this.#shown.has(index));
    this.arrived -= batch.length - fresh.length;
    this.hasGap = false;
    return fresh;
  }

  // Rows that the list has loaded in another way.
  markShown(indexes) {
    for (const index of indexes) this.#shown.add(index);
  }
}
