"""Finding: pages, cursors, counts; whole however the answer is cut."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tallystick.errors import BadRequest
from tallystick.query.case_folding import fold
from tallystick.query.conditions import And, AtPath, Contains, Equals, Not, Query
from tallystick.search import find
from tallystick.search.page import Page
from tallystick.store import windows
from tests.fixtures.spine import Spine

pytestmark = pytest.mark.both_stores


def event(number: int, **more: object) -> dict[str, object]:
    dice = random.Random(number)
    return {
        "action": dice.choice(("project.updated", "deployment.failed", "user.login")),
        "timestamp": f"2024-03-{dice.randint(1, 28):02}T{dice.randint(0, 23):02}:00:00Z",
        "actor": {"email": dice.choice(("alice@example.com", "bob@example.com"))},
        "metadata": {"number": f"n{number}", "note": dice.choice(("ab", "xy zebra", "policy"))},
        **more,
    }


@pytest.fixture
def spine(sqlite_spine: Spine) -> Spine:
    return sqlite_spine


@contextmanager
def no_time(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every reading has to go window by window, few rows at a time, and stop after the first."""
    with monkeypatch.context() as patch:
        patch.setattr(find, "SECONDS", 0.0)
        patch.setattr(windows, "FIRST_ROWS", 40)
        patch.setattr(windows, "LEAST_ROWS", 40)
        yield


def walk(spine: Spine, scope: object, query: Query, **options: object) -> tuple[list[int], list[Page]]:
    """The indexes of all pages, following cursors."""
    found: list[int] = []
    pages: list[Page] = []
    cursor = None
    while True:
        page = spine.finder.page(scope, query, cursor=cursor, count="none", **options)  # type: ignore[arg-type]
        pages.append(page)
        found += [one.index for one in page.data]
        cursor = page.next_cursor
        if cursor is None:
            return found, pages
        assert len(pages) < 500


SCANNED = Query(Contains("ab"))
INDEXED = Query(Contains("policy"))
QUERIES = [
    Query(),
    SCANNED,
    INDEXED,
    Query(Not(Contains("zebra"))),
    Query(AtPath("metadata.note", (fold("policy"),))),
    Query(And((Equals("status", ("failed",)), Equals("user", ("alice@*",))))),
]


@pytest.mark.both_stores
@pytest.mark.parametrize("order", ["desc", "asc", "recorded"])
def test_pages_together_hold_each_match_once_in_order(spine: Spine, order: str) -> None:
    scope = spine.organization()
    spine.record(scope, *(event(n) for n in range(150)))
    spine.ship()
    for query in QUERIES:
        whole = spine.finder.page(scope, query, limit=1000, order=order)  # type: ignore[arg-type]
        expected = [one.index for one in whole.data]
        found, _ = walk(spine, scope, query, limit=7, order=order)
        assert found == expected


@pytest.mark.both_stores
@pytest.mark.parametrize("order", ["desc", "asc"])
def test_an_answer_without_time_is_partial_and_its_cursor_finds_the_rest(
    spine: Spine, order: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scope = spine.organization()
    spine.record(scope, *(event(n) for n in range(150)))
    spine.ship()
    for query in QUERIES:
        expected = [one.index for one in spine.finder.page(scope, query, limit=1000, order=order).data]  # type: ignore[arg-type]
        with no_time(monkeypatch):
            found, pages = walk(spine, scope, query, limit=40, order=order)
        assert found == expected
        assert any(page.partial for page in pages) == any(page.next_cursor and len(page.data) < 40 for page in pages)


def test_a_scan_without_time_says_that_it_is_partial(spine: Spine, monkeypatch: pytest.MonkeyPatch) -> None:
    scope = spine.organization()
    spine.record(scope, *(event(n) for n in range(150)))
    spine.ship()
    with no_time(monkeypatch):
        page = spine.finder.page(scope, Query(Contains("uq")), limit=40)  # ids are written without the letter u
    assert page.partial
    assert page.data == []
    assert page.next_cursor is not None
    assert page.total_relation in ("exact", "at_least")


@pytest.mark.parametrize("starved", [False, True])
def test_an_offset_skips_that_many_matches_also_across_partial_answers(
    spine: Spine, starved: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    scope = spine.organization()
    spine.record(scope, *(event(n) for n in range(150)))
    spine.ship()
    for query in QUERIES:
        expected = [one.index for one in spine.finder.page(scope, query, limit=1000).data]
        for offset in (1, 33, 149):
            if starved:
                with no_time(monkeypatch):
                    found, _ = walk(spine, scope, query, limit=40, offset=offset)
            else:
                found, _ = walk(spine, scope, query, limit=40, offset=offset)
            assert found == expected[offset:]


@pytest.mark.parametrize("starved", [False, True])
def test_set_aside_events_stand_in_their_place_on_every_page(
    spine: Spine, starved: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    scope = spine.organization()
    with spine.store._writers.borrow() as client:
        client.command("ALTER TABLE events ADD CONSTRAINT no_pill CHECK action != 'poison.pill'")
    try:
        pills = [event(n, action="poison.pill") if n % 20 == 3 else event(n) for n in range(100)]
        spine.record(scope, *pills)
        spine.ship()
    finally:
        with spine.store._writers.borrow() as client:
            client.command("ALTER TABLE events DROP CONSTRAINT no_pill")
    by_time = sorted(
        (-one.occurred_at, -one.index) for one in spine.finder.page(scope, Query(), limit=1000, order="recorded").data
    )
    expected = [-index for _, index in by_time]
    assert len(expected) == spine.size(scope.org_id)
    for offset in (0, 4, 99):
        if starved:
            with no_time(monkeypatch):
                found, _ = walk(spine, scope, Query(), limit=7, offset=offset)
        else:
            found, _ = walk(spine, scope, Query(), limit=7, offset=offset)
        assert found == expected[offset:], offset


@pytest.mark.both_stores
def test_counts_are_exact_when_asked_and_never_too_low_as_estimate(spine: Spine) -> None:
    scope = spine.organization()
    spine.record(scope, *(event(n) for n in range(150)))
    spine.ship()
    for query in QUERIES:
        number = len(spine.finder.page(scope, query, limit=1000).data)
        exact = spine.finder.page(scope, query, limit=1, count="exact")
        assert (exact.total, exact.total_relation) == (number, "exact")
        estimate = spine.finder.page(scope, query, limit=1)
        assert estimate.total is not None
        assert estimate.total >= number


def test_a_cursor_of_other_parameters_is_refused(spine: Spine) -> None:
    scope = spine.organization()
    spine.record(scope, *(event(n) for n in range(10)))
    spine.ship()
    cursor = spine.finder.page(scope, Query(), limit=2).next_cursor
    with pytest.raises(BadRequest):
        spine.finder.page(scope, SCANNED, cursor=cursor)
    with pytest.raises(BadRequest):
        spine.finder.page(scope, Query(), cursor=cursor, order="asc")


def test_a_cursor_of_another_organization_is_refused(spine: Spine) -> None:
    alice, bob = spine.organization("alice"), spine.organization("bob")
    for scope in (alice, bob):
        spine.record(scope, *(event(n) for n in range(10)))
    spine.ship()
    cursor = spine.finder.page(alice, Query(), limit=2).next_cursor
    with pytest.raises(BadRequest):
        spine.finder.page(bob, Query(), cursor=cursor)


@pytest.mark.both_stores
def test_recorded_never_passes_what_is_searchable(spine: Spine) -> None:
    scope = spine.organization()
    spine.record(scope, *(event(n) for n in range(10)))
    spine.ship()
    first = spine.finder.page(scope, Query(), order="recorded")
    spine.record(scope, *(event(n) for n in range(10, 20)))
    again = spine.finder.page(scope, Query(), order="recorded", after=first.searchable_through)
    assert again.data == []
    assert again.searchable_through == first.searchable_through
    spine.ship()
    later = spine.finder.page(scope, Query(), order="recorded", after=first.searchable_through)
    assert [one.index for one in later.data] == list(range(first.searchable_through + 1, spine.size(scope.org_id)))


@pytest.mark.both_stores
def test_an_event_is_read_by_its_id_before_it_is_stored_and_after(spine: Spine) -> None:
    scope, other = spine.organization("alice"), spine.organization("bob")
    answer = spine.record(scope, event(1))
    raw = find.ids.decode("evt", answer.events[0].id)
    before = spine.finder.find_one(scope, raw)
    spine.ship()
    after = spine.finder.find_one(scope, raw)
    assert before == after
    assert before is not None
    assert spine.finder.find_one(other, raw) is None


@pytest.mark.both_stores
def test_a_histogram_counts_each_match_once(spine: Spine) -> None:
    scope = spine.organization()
    spine.record(scope, *(event(n) for n in range(150)))
    spine.ship()
    for query in QUERIES:
        number = len(spine.finder.page(scope, query, limit=1000).data)
        drawn = spine.finder.histogram(scope, query)
        assert not drawn["partial"]
        assert sum(bucket["success"] + bucket["failed"] for bucket in drawn["buckets"]) == number


@pytest.mark.both_stores
def test_facets_name_the_values_of_the_matches(spine: Spine) -> None:
    scope = spine.organization()
    spine.record(scope, *(event(n) for n in range(60)))
    spine.ship()
    query = Query(Equals("user", ("alice@example.com",)))
    number = len(spine.finder.page(scope, query, limit=1000).data)
    shown = spine.finder.facets(scope, query, "user")
    assert shown["values"] == [{"value": "alice@example.com", "count": number}]
