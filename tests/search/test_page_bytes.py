"""A page ends early where its events are large, and its cursor continues exactly."""

import pytest

from tallystick.events.body import MAX_BODY
from tallystick.query.conditions import Query
from tallystick.store.bounded_rows import MOST_BYTES, size_of
from tallystick.store.reading import by_index

pytestmark = pytest.mark.both_stores

EVENTS = 300
BYTES = 60_000
WHOLE = 1000


@pytest.fixture(scope="module")
def text():
    return "0123456789" * (BYTES // 10)


def record_large(spine, scope, text, count=EVENTS):
    """Every fifth event is small, and pairs share a timestamp."""
    step = MAX_BODY // (2 * BYTES)
    for first in range(0, count, step):
        events = [
            {
                "action": "thing.done",
                "timestamp": f"2026-03-01T10:{number // 2 % 60:02}:00Z",
                "metadata": {"number": number, "text": text if number % 5 else ""},
            }
            for number in range(first, min(first + step, count))
        ]
        spine.record(scope, *events)
    spine.ship()


def pages(spine, scope, **options):
    """All pages that the cursor leads to."""
    found, cursor = [], None
    while True:
        page = spine.finder.page(scope, Query(), limit=WHOLE, cursor=cursor, **options)
        found.append(page)
        cursor = page.next_cursor
        if cursor is None:
            return found


@pytest.mark.parametrize("order", ["desc", "asc", "recorded"])
def test_pages_of_large_events_end_early_and_lose_or_repeat_nothing(sqlite_spine, text, order):
    scope = sqlite_spine.organization()
    record_large(sqlite_spine, scope, text)
    found = pages(sqlite_spine, scope, order=order, count="exact")
    indexes = [event.index for page in found for event in page.data]
    assert sorted(indexes) == list(range(EVENTS + 1))  # with the organization's own first one
    assert len(found) > EVENTS * BYTES * 4 // 5 // MOST_BYTES
    assert all(sum(map(size_of, page.data)) < MOST_BYTES + 2 * BYTES for page in found)
    assert {page.total for page in found} == {EVENTS + 1}
    assert not any(page.partial for page in found)


def test_an_offset_counts_the_events_before_a_page_however_large_they_are(sqlite_spine, text):
    scope = sqlite_spine.organization()
    record_large(sqlite_spine, scope, text)
    everything = [event.index for page in pages(sqlite_spine, scope) for event in page.data]
    page = sqlite_spine.finder.page(scope, Query(), limit=WHOLE, offset=100)
    assert [event.index for event in page.data] == everything[100 : 100 + len(page.data)]
    assert page.next_cursor is not None


@pytest.mark.both_stores
def test_the_first_event_comes_whatever_the_bytes(sqlite_spine, text, store):
    scope = sqlite_spine.organization()
    record_large(sqlite_spine, scope, text, count=3)
    rows = by_index(store, scope, Query(), after=1, through=3, most_bytes=1)
    assert ([event.index for event in rows.events], rows.reached) == ([2], 2)


@pytest.mark.both_stores
def test_a_stream_of_large_events_comes_in_blocks_and_whole(sqlite_spine, text):
    scope = sqlite_spine.organization()
    record_large(sqlite_spine, scope, text)
    place, indexes, largest = None, [], 0
    while True:
        events, place = sqlite_spine.finder.block(scope, Query(), "desc", place, WHOLE)
        indexes += [event.index for event in events]
        largest = max(largest, sum(map(size_of, events)))
        if place is None:
            break
    assert sorted(indexes) == list(range(EVENTS + 1))
    assert largest < MOST_BYTES + 2 * BYTES
