import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { connectedPage, LivePage, message, newestFirst } from "./fakes.js";

suite("A lost connection", () => {
  test("is said, also while paused", () => {
    const page = connectedPage();
    page.source.fail();
    assert.equal(page.status.text, "Connection lost, reconnecting");
    page.view.togglePause();
    assert.equal(page.status.text, "Connection lost, reconnecting · paused, 0 new events waiting");
  });

  test("is left to the browser while that tries again", () => {
    const page = connectedPage();
    page.source.fail();
    page.clock.advance(60_000);
    assert.equal(page.sources.length, 1);
    page.source.emit("open");
    assert.equal(page.status.state, "live");
  });

  test("is opened again after the last event when the browser gave up: nothing is lost or shown twice", () => {
    const page = connectedPage();
    page.source.emit("rows", message(11, 12));
    page.source.fail({ gaveUp: true });
    page.clock.advance(1000);
    assert.equal(page.sources.length, 2);
    assert.equal(page.source.after, 12);
    page.source.emit("open");
    page.source.emit("rows", message(13, 14));
    page.clock.advance(1000);
    assert.deepEqual(page.table.rows, newestFirst(1, 14));
  });

  test("is opened again after the last position, where no event passed the filters", () => {
    const page = connectedPage();
    page.source.emit("position", { through: 99 });
    page.source.fail({ gaveUp: true });
    page.clock.advance(1000);
    assert.equal(page.source.after, 99);
  });

  test("is tried again more and more slowly, and quickly after it was open", () => {
    const page = connectedPage();
    for (const delay of [1000, 2000, 5000, 10_000, 10_000]) {
      const before = page.sources.length;
      page.source.fail({ gaveUp: true });
      page.clock.advance(delay - 1);
      assert.equal(page.sources.length, before);
      page.clock.advance(1);
      assert.equal(page.sources.length, before + 1);
    }
    page.source.emit("open");
    page.source.fail({ gaveUp: true });
    const before = page.sources.length;
    page.clock.advance(1000);
    assert.equal(page.sources.length, before + 1);
  });

  test("is not tried again after the view was switched off", () => {
    const page = connectedPage();
    page.source.fail({ gaveUp: true });
    page.view.toggle();
    page.clock.advance(60_000);
    assert.equal(page.sources.length, 1);
    assert.equal(page.status.state, "off");
  });

  test("of a connection that was replaced says nothing", () => {
    const page = connectedPage();
    const [replaced] = page.sources;
    page.view.listLoaded();
    page.source.emit("open");
    replaced.fail({ gaveUp: true });
    assert.equal(page.status.state, "live");
  });
});

suite("A page put aside", () => {
  test("disconnects, and continues where it stopped when it is shown again", () => {
    const page = connectedPage();
    page.source.emit("rows", message(11, 12));
    page.view.disconnect();
    assert.equal(page.source.readyState, 2);
    page.view.reconnect();
    assert.equal(page.source.after, 12);
  });

  test("does not connect again when the view is off", () => {
    const page = new LivePage();
    page.view.listLoaded();
    page.view.reconnect();
    assert.deepEqual(page.sources, []);
  });
});
