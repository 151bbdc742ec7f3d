"""What finding asks of the event store: no count is ever without an end."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from tallystick import clock
from tallystick.search import counts, find
from tallystick.search.filters import query_from
from tallystick.search.find import Finder
from tallystick.store.client_words import KEPT_SECONDS, ClientWords
from tallystick.store.clients import Bounds
from tallystick.store.events import EventStore
from tallystick.store.reading import estimate_matches
from tests.fixtures.spine import Spine

SECONDS = 60.0
QUERIES: dict[str, dict[str, str]] = {
    "everything": {},
    "a filter": {"status": "failed"},
    "every filter": {"user": "sarah*", "action": "project.*", "resource": "a*", "ip": "10.0.0.0/8"},
    "a word": {"q": "project"},
    "two letters": {"q": "pr"},
    "a path": {"q": "metadata.team:platform"},
    "what is not there": {"q": "-deploy"},
}


class Noting(EventStore):
    """The event store, and what it was asked: (statement, seconds it may take)."""

    def __init__(self, url: str) -> None:
        super().__init__(url, Bounds(clients=3))
        self.noted: list[tuple[str, float | None]] = []

    def rows(self, sql: str, *arguments: Any, seconds: float | None = None, **more: Any) -> Sequence[Sequence[Any]]:
        self.noted.append((sql, seconds))
        return super().rows(sql, *arguments, seconds=seconds, **more)


@pytest.fixture
def noting(events_url: str, store: EventStore) -> Iterator[Noting]:
    """Beside the store that made the table."""
    opened = Noting(events_url)
    yield opened
    opened.close()


@pytest.mark.parametrize("name", QUERIES)
def test_no_count_is_without_a_time_limit(
    name: str, noting: Noting, sqlite_spine: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A count that is not done in time is tried again with the fewest events, which are counted in any time.
    for module, limit in ((counts, "SECONDS"), (find, "SECONDS"), (find, "COUNT_SECONDS")):
        monkeypatch.setattr(module, limit, SECONDS)
    scope = sqlite_spine.organization()
    events: list[dict[str, object]] = [
        {"action": "project.updated", "metadata": {"team": "platform"}} for _ in range(60)
    ]
    sqlite_spine.record(scope, *events)
    sqlite_spine.ship()
    query = query_from({key: [value] for key, value in QUERIES[name].items()}, now=clock.now_us())
    finder = Finder(sqlite_spine.database, noting)
    try:
        for count in ("estimate", "exact"):
            finder.page(scope, query, limit=50, count=count)
        finder.histogram(scope, query)
        finder.facets(scope, query, "user")
    finally:
        finder.close()
    counting = [(sql, seconds) for sql, seconds in noting.noted if "count(" in sql]
    assert counting
    assert [sql for sql, seconds in counting if seconds is None or seconds > SECONDS] == []


@pytest.mark.parametrize(("word", "total", "columns"), [("terraform", 3, 1), ("chrome", 2, 2), ("nowhere", 0, 1)])
def test_an_estimate_looks_at_the_clients_only_if_one_has_the_word(
    word: str, total: int, columns: int, noting: Noting, sqlite_spine: Spine
) -> None:
    scope = sqlite_spine.organization()
    clients = ("Chrome/120.0", "Chrome/121.0", "curl/8.5")
    sqlite_spine.record(
        scope,
        *(
            {"action": "project.updated", "description": "terraform", "context": {"user_agent": agent}}
            for agent in clients
        ),
    )
    sqlite_spine.ship()
    query = query_from({"q": [word]}, now=clock.now_us())
    assert estimate_matches(noting, ClientWords(noting), scope, query, SECONDS) == total
    counting = next(sql for sql, _ in noting.noted if "count(" in sql)
    assert sum(column in counting for column in ("search_text", "client_text")) == columns


def test_whether_a_client_has_a_word_is_asked_again_after_a_moment(noting: Noting, sqlite_spine: Spine) -> None:
    scope, other = sqlite_spine.organization(), sqlite_spine.organization("other")
    query = query_from({"q": ["chrome"]}, now=clock.now_us())
    seconds = [0.0]
    clients = ClientWords(noting, lambda: seconds[0])
    assert estimate_matches(noting, clients, scope, query, SECONDS) == 0
    for each in (scope, other):
        sqlite_spine.record(each, {"action": "project.updated", "context": {"user_agent": "Chrome/120.0"}})
    sqlite_spine.ship()
    assert estimate_matches(noting, clients, scope, query, SECONDS) == 0
    assert estimate_matches(noting, clients, other, query, SECONDS) == 1
    seconds[0] = KEPT_SECONDS
    assert estimate_matches(noting, clients, scope, query, SECONDS) == 1
