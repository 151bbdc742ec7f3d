import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { curlCommand } from "../../src/tallystick/web/static/js/clipboard.js";
import { countedFilters } from "../../src/tallystick/web/static/js/histogram.js";
import { barHeights, selectedPeriod } from "../../src/tallystick/web/static/js/histogram_chart.js";
import { relativeTime } from "../../src/tallystick/web/static/js/relative_time.js";
import { ResponseOrder } from "../../src/tallystick/web/static/js/response_order.js";

suite("Responses", () => {
  const request = (order, target) => {
    const key = {};
    order.request(key, target);
    return key;
  };

  test("of an older list are dropped after a newer one was shown", () => {
    const order = new ResponseOrder();
    const [older, newer] = [request(order, "results"), request(order, "page")];
    assert.equal(order.accept(newer), true);
    assert.equal(order.accept(older), false);
  });

  test("of lists are all shown when they come in order", () => {
    const order = new ResponseOrder();
    const [older, newer] = [request(order, "results"), request(order, "results")];
    assert.equal(order.accept(older), true);
    assert.equal(order.accept(newer), true);
  });

  test("with older rows are shown only under the list they continue", () => {
    const order = new ResponseOrder();
    order.accept(request(order, "results"));
    const [mine, late] = [request(order, "rows"), request(order, "rows")];
    assert.equal(order.accept(mine), true);
    order.accept(request(order, "results"));
    assert.equal(order.accept(late), false);
  });

  test("with an event are shown only for the one opened last", () => {
    const order = new ResponseOrder();
    const [first, last] = [request(order, "panel"), request(order, "panel")];
    assert.equal(order.accept(first), false);
    assert.equal(order.accept(last), true);
  });

  test("of anything else are shown", () => {
    const order = new ResponseOrder();
    assert.equal(order.accept(request(order, "saved-list")), true);
  });
});

suite("The histogram", () => {
  test("is counted again only for filters that change its counts", () => {
    assert.equal(countedFilters("?q=a&tz=UTC&columns=time&live=1&limit=100&status=failed"), "q=a&tz=UTC&status=failed");
  });

  test("shows one failure beside thousands, and nothing where nothing happened", () => {
    const { all, failed } = barHeights({ success: [4600, 0, 0], failed: [0, 1, 0] });
    assert.deepEqual(all, [4600, 300, null]);
    assert.deepEqual(failed, [null, 300, null]);
  });

  const points = { at: [1000, 1060, 1120], ends: [1060, 1120, 1180] };

  test("narrows to whole steps", () => {
    assert.deepEqual(selectedPeriod(points, 1030, 1070), { start: 1000, end: 1120 });
  });

  test("narrows to no more than it shows", () => {
    assert.deepEqual(selectedPeriod(points, 900, 5000), { start: 1000, end: 1180 });
  });
});

suite("A relative time", () => {
  const now = Date.parse("2024-01-15T12:00:00Z");
  const cases = [
    ["2024-01-15T12:00:00Z", "in 0 seconds"],
    ["2024-01-15T11:59:20Z", "40 seconds ago"],
    ["2024-01-15T10:30:00Z", "1 hour ago"],
    ["2024-01-13T12:00:00Z", "2 days ago"],
    ["2021-01-15T12:00:00Z", "3 years ago"],
    ["2024-01-15T12:05:00Z", "in 5 minutes"],
  ];
  for (const [time, words] of cases) {
    test(`is ${words}`, () => assert.equal(relativeTime(Date.parse(time), now), words));
  }
});

test("A curl command holds together whatever is in the search", () => {
  assert.equal(
    curlCommand("https://audit.example/v1/audit-logs?q=it's"),
    `curl -H "Authorization: Bearer $API_KEY" 'https://audit.example/v1/audit-logs?q=it%27s'`,
  );
});
