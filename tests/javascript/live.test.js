import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { statusText } from "../../src/tallystick/web/static/js/live.js";
import { connectedPage, LivePage, message, newestFirst } from "./fakes.js";

suite("Switching on and off", () => {
  test("the view is off at first and connects to nothing", () => {
    const page = new LivePage();
    page.table.load([2, 1]);
    page.view.listLoaded();
    assert.equal(page.status.state, "off");
    assert.deepEqual(page.sources, []);
  });

  test("switched on it loads the list, and then follows what comes after it", () => {
    const page = new LivePage();
    page.view.toggle();
    assert.equal(page.status.text, "Connecting…");
    assert.equal(page.reloads, 1);
    assert.deepEqual(page.switches, [true]);
    page.table.load([7, 5], 9);
    page.view.listLoaded();
    assert.equal(page.source.after, 9);
    page.source.emit("open");
    assert.equal(page.status.text, "New events appear here");
  });

  test("a page opened with the live view on follows at once", () => {
    const page = connectedPage();
    assert.equal(page.status.state, "live");
    assert.equal(page.source.after, 10);
  });

  test("switched off it disconnects and shows nothing that waits", () => {
    const page = connectedPage();
    page.source.emit("rows", message(11, 12));
    page.view.toggle();
    page.clock.advance(1000);
    assert.equal(page.source.readyState, 2);
    assert.equal(page.status.state, "off");
    assert.deepEqual(page.table.rows, newestFirst(1, 10));
    assert.equal(page.reloads, 0);
  });

  test("switched off after more than fits it loads the list, which can be paged again", () => {
    const page = connectedPage();
    page.source.emit("rows", message(11, 510));
    page.source.emit("rows", message(511, 520));
    page.clock.advance(10_000);
    page.view.toggle();
    assert.equal(page.reloads, 1);
  });

  test("the end of the session ends the view with the reason", () => {
    const page = connectedPage();
    page.source.emit("signed-out", { detail: "" });
    assert.equal(page.status.text, "You are signed out. Sign in to continue.");
    assert.equal(page.status.isRunning, false);
    assert.equal(page.source.readyState, 2);
  });
});

suite("New events", () => {
  test("appear at the top, newest first, and are counted", () => {
    const page = connectedPage();
    page.source.emit("rows", message(11, 12));
    page.clock.advance(100);
    assert.deepEqual(page.table.rows, newestFirst(1, 12));
    assert.equal(page.table.newCount, " · 2 new events since");
  });

  test("are told to the histogram, also while paused", () => {
    const page = connectedPage();
    page.source.emit("rows", message(11, 12));
    page.view.togglePause();
    page.source.emit("rows", message(13, 13));
    assert.equal(page.messages, 2);
  });

  test("that the list contains already are not shown again", () => {
    const page = connectedPage();
    page.source.emit("rows", message(9, 11));
    page.clock.advance(100);
    assert.deepEqual(page.table.rows, newestFirst(1, 11));
    assert.equal(page.table.newCount, " · 1 new event since");
  });

  test("that older rows brought meanwhile are neither shown twice nor counted", () => {
    const page = connectedPage();
    page.source.emit("rows", message(11, 12));
    page.table.rows.push(11);
    page.view.olderRowsLoaded();
    page.clock.advance(100);
    assert.deepEqual(page.table.rows, [12, ...newestFirst(1, 10), 11]);
    assert.equal(page.table.newCount, " · 1 new event since");
  });

  test("that were shown leave the older rows that bring them again", () => {
    const page = connectedPage();
    page.source.emit("rows", message(11, 12));
    page.clock.advance(100);
    page.table.rows.push(11);
    page.view.olderRowsLoaded();
    assert.deepEqual(page.table.rows, newestFirst(1, 12));
  });

  test("in a burst are drawn in batches with pauses between, oldest first", () => {
    const page = connectedPage();
    page.source.emit("rows", message(11, 260));
    page.clock.advance(0);
    assert.deepEqual(
      page.table.draws.map(({ rows }) => rows.length),
      [100],
    );
    assert.equal(page.table.rows[0], 110);
    page.clock.advance(99);
    assert.equal(page.table.draws.length, 1);
    page.clock.advance(1);
    assert.equal(page.table.draws.length, 2);
    page.clock.advance(100);
    assert.deepEqual(
      page.table.draws.map(({ rows }) => rows.length),
      [100, 100, 50],
    );
    assert.deepEqual(page.table.rows, newestFirst(1, 260));
    assert.ok(page.clock.isIdle);
  });

  test("of several messages wait for one draw", () => {
    const page = connectedPage();
    page.source.emit("rows", message(11, 160));
    page.source.emit("rows", message(161, 260));
    page.clock.advance(0);
    assert.equal(page.table.draws.length, 1);
  });

  test("move into the list only when they are few", () => {
    const page = connectedPage();
    page.source.emit("rows", message(11, 30));
    page.clock.advance(100);
    page.source.emit("rows", message(31, 51));
    page.clock.advance(100);
    assert.deepEqual(
      page.table.draws.map(({ isAnimated }) => isAnimated),
      [true, false],
    );
  });

  test("push out the oldest rows beyond 500, and the page says so", () => {
    const page = connectedPage();
    page.source.emit("rows", message(11, 500));
    page.clock.advance(1000);
    assert.equal(page.table.rows.length, 500);
    assert.equal(page.table.limit, "");
    page.source.emit("rows", message(501, 503));
    page.clock.advance(1000);
    assert.deepEqual(page.table.rows, newestFirst(4, 503));
    assert.match(page.table.limit, /^Live shows the newest 500 events\./);
    assert.equal(page.table.newCount, " · 493 new events since");
  });

  test("that the server skipped leave no gap between rows: the newest replace all", () => {
    const page = connectedPage();
    page.source.emit("rows", message(311, 810, 300));
    page.clock.advance(0);
    assert.deepEqual(page.table.rows, newestFirst(311, 410));
    page.clock.advance(1000);
    assert.deepEqual(page.table.rows, newestFirst(311, 810));
    assert.equal(page.table.newCount, " · 800 new events since");
  });

  test("beyond 500 that wait are dropped, the oldest first, and leave no gap either", () => {
    const page = connectedPage();
    page.source.emit("rows", message(11, 410));
    page.source.emit("rows", message(411, 610));
    page.clock.advance(0);
    assert.deepEqual(page.table.rows, newestFirst(111, 210));
    page.clock.advance(1000);
    assert.deepEqual(page.table.rows, newestFirst(111, 610));
    assert.equal(page.table.draws.length, 5);
  });
});

suite("Reading further down", () => {
  test("nothing moves, and what arrives is counted", () => {
    const page = connectedPage();
    page.table.isScrolled = true;
    page.source.emit("rows", message(11, 13));
    page.clock.advance(1000);
    assert.deepEqual(page.table.rows, newestFirst(1, 10));
    assert.equal(page.status.newCount, 3);
    assert.equal(page.status.text, "New events appear here");
  });

  test("back at the top the list continues", () => {
    const page = connectedPage();
    page.table.isScrolled = true;
    page.source.emit("rows", message(11, 13));
    page.view.scrolled();
    page.clock.advance(1000);
    assert.deepEqual(page.table.rows, newestFirst(1, 10));
    page.table.isScrolled = false;
    page.view.scrolled();
    page.clock.advance(1000);
    assert.deepEqual(page.table.rows, newestFirst(1, 13));
    assert.equal(page.status.newCount, 0);
    assert.equal(page.table.newCount, " · 3 new events since");
  });

  test("in the middle of a burst the rest waits", () => {
    const page = connectedPage();
    page.source.emit("rows", message(11, 260));
    page.clock.advance(0);
    page.table.isScrolled = true;
    page.clock.advance(1000);
    assert.equal(page.table.rows[0], 110);
    assert.equal(page.status.newCount, 150);
    page.table.isScrolled = false;
    page.view.scrolled();
    page.clock.advance(1000);
    assert.deepEqual(page.table.rows, newestFirst(1, 260));
  });

  test("paused, the view counts as paused wherever it is", () => {
    const page = connectedPage();
    page.view.togglePause();
    page.table.isScrolled = true;
    page.source.emit("rows", message(11, 12));
    assert.equal(page.status.newCount, 0);
    page.view.togglePause();
    page.clock.advance(1000);
    assert.deepEqual(page.table.rows, newestFirst(1, 10));
    assert.equal(page.status.newCount, 2);
  });
});

suite("Pause", () => {
  test("freezes the list and counts what arrives", () => {
    const page = connectedPage();
    page.view.togglePause();
    page.source.emit("rows", message(11, 13));
    page.clock.advance(1000);
    assert.deepEqual(page.table.rows, newestFirst(1, 10));
    assert.equal(page.status.text, "Paused · 3 new events waiting");
  });

  test("does not count what the list contains already", () => {
    const page = connectedPage();
    page.view.togglePause();
    page.source.emit("rows", message(9, 11));
    assert.equal(page.status.text, "Paused · 1 new event waiting");
  });

  test("holds back what arrived before and was not drawn yet", () => {
    const page = connectedPage();
    page.source.emit("rows", message(11, 11));
    page.view.togglePause();
    page.clock.advance(1000);
    assert.deepEqual(page.table.draws, []);
    page.view.togglePause();
    page.clock.advance(1000);
    assert.deepEqual(page.table.rows, newestFirst(1, 11));
  });

  test("ends with Resume, which shows and counts what was held", () => {
    const page = connectedPage();
    page.view.togglePause();
    page.source.emit("rows", message(11, 13));
    page.view.togglePause();
    page.clock.advance(1000);
    assert.deepEqual(page.table.rows, newestFirst(1, 13));
    assert.equal(page.status.text, "New events appear here");
    assert.equal(page.table.newCount, " · 3 new events since");
    page.view.togglePause();
    assert.equal(page.status.text, "Paused · 0 new events waiting");
  });

  test("counts exactly beyond what can be shown", () => {
    const page = connectedPage();
    page.view.togglePause();
    page.source.emit("rows", message(11, 510));
    page.source.emit("rows", message(511, 1010));
    page.source.emit("rows", message(1311, 1810, 300));
    assert.equal(page.status.text, "Paused · 1,800 new events waiting");
    page.view.togglePause();
    page.clock.advance(10_000);
    assert.deepEqual(page.table.rows, newestFirst(1311, 1810));
    assert.equal(page.table.newCount, " · 1,800 new events since");
  });

  test("survives a search, whose list starts the count again", () => {
    const page = connectedPage();
    page.view.togglePause();
    page.source.emit("rows", message(11, 13));
    page.table.load([13, 12], 13);
    page.view.listLoaded();
    page.source.emit("open");
    assert.equal(page.status.text, "Paused · 0 new events waiting");
  });

  test("is over when somebody signs in again and switches the view on", () => {
    const page = connectedPage();
    page.view.togglePause();
    page.source.emit("signed-out", { detail: "" });
    page.view.toggle();
    assert.equal(page.status.isPaused, false);
  });

  test("is over when the view is switched off", () => {
    const page = connectedPage();
    page.view.togglePause();
    page.view.toggle();
    assert.equal(page.status.isPaused, false);
  });
});

suite("Another list", () => {
  test("starts the stream again after it, with its own filters", () => {
    const page = connectedPage();
    const [first] = page.sources;
    page.table.load([20, 18], 22);
    page.view.listLoaded();
    assert.equal(first.readyState, 2);
    assert.equal(page.source.after, 22);
  });

  test("drops what waited for the list before", () => {
    const page = connectedPage();
    page.source.emit("rows", message(11, 12));
    page.table.load([], 12);
    page.view.listLoaded();
    page.clock.advance(1000);
    assert.deepEqual(page.table.rows, []);
  });

  test("starts the count again", () => {
    const page = connectedPage();
    page.source.emit("rows", message(11, 12));
    page.clock.advance(1000);
    page.view.listLoaded();
    page.source.emit("rows", message(13, 13));
    page.clock.advance(1000);
    assert.equal(page.table.newCount, " · 1 new event since");
  });

  test("of a search that cannot be understood is not followed", () => {
    const page = connectedPage();
    page.isMistaken = true;
    page.view.listLoaded();
    assert.equal(page.sources.length, 1);
    assert.equal(page.source.readyState, 2);
  });
});

test("Every state has its words", () => {
  const states = ["off", "connecting", "live", "lost", "signed-out"];
  assert.deepEqual(
    states.map((state) => statusText(state, false, 0)),
    [
      "",
      "Connecting…",
      "New events appear here",
      "Connection lost, reconnecting",
      "You are signed out. Sign in to continue.",
    ],
  );
});
