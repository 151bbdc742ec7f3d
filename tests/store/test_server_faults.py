"""A ClickHouse server whose answers are lost, cut, late or untrue: nothing is lost, doubled or believed by that."""

import io
from collections.abc import Callable, Iterator

import pytest

from tallystick.query.conditions import Query
from tallystick.query.scope import Scope
from tallystick.store import transfer
from tallystick.store.bounds import compile_bounded
from tallystick.store.clients import Bounds
from tallystick.store.errors import StoreDamaged, StoreError, StoreRefusal, StoreTimeout
from tallystick.store.events import EventStore
from tallystick.store.reading import stream_all
from tallystick.store.windows import Window
from tests.fixtures.clickhouse_server import ClickHouseServer
from tests.fixtures.event_store import SERVER
from tests.fixtures.spine import Spine

pytestmark = pytest.mark.parametrize("store", [SERVER], indirect=True, scope="module")
COUNT = 2501  # events, of which an answer has several blocks
READ = "SELECT seq, what, target, who, details FROM events WHERE {where} ORDER BY seq"


def organization(spine: Spine) -> Scope:
    """An organization with COUNT stored events."""
    scope = spine.organization()
    for _ in range(5):
        spine.record(scope, *({"action": "user.login", "metadata": {"note": f"note {n}"}} for n in range(500)))
    spine.ship()
    return scope


def ship_in_the_end(spine: Spine) -> None:
    """Ship, again after each failure, as the shipper's thread does."""
    for _ in range(10):
        try:
            spine.ship()
        except StoreError:
            continue
        return
    raise AssertionError("shipping does not end")


@pytest.mark.parametrize("kind", ["no_answer", "lie", "error", "part", "flip", "double"])
def test_a_shipment_is_stored_once_whatever_the_server_says_of_it(
    sqlite_spine: Spine, clickhouse_server: ClickHouseServer, kind: str
) -> None:
    scope = sqlite_spine.organization()
    sqlite_spine.record(scope, *({"action": "user.login"} for _ in range(50)))
    clickhouse_server.fail(kind, "INSERT INTO events")
    ship_in_the_end(sqlite_spine)
    assert sqlite_spine.indexes(scope.org_id) == list(range(51))
    altered = sqlite_spine.store.rows("SELECT count() FROM events WHERE NOT isValidJSON(what)", {})
    assert altered[0][0] == 0


def test_an_answer_that_is_cut_is_an_error_and_the_next_one_is_right(
    sqlite_spine: Spine, clickhouse_server: ClickHouseServer
) -> None:
    spine = sqlite_spine
    scope = organization(spine)
    bound = compile_bounded(scope, Query())
    statement = READ.format(where=bound.where)
    readers: dict[str, Callable[[], int]] = {
        "rows": lambda: len(spine.store.rows(statement, bound.parameters)),
        "table": lambda: spine.store.table(statement, bound.parameters).num_rows,
        "stream": lambda: sum(map(len, stream_all(spine.store, scope, Query(), "asc"))),
        "raw": lambda: _rows_of_raw(spine, scope),
    }
    for kind in ("cut", "error"):
        for name, read in readers.items():
            clickhouse_server.fail(kind, "FROM events")
            with pytest.raises(StoreError):
                pytest.fail(f"{name} took an answer with the fault {kind!r} for whole: {read()} rows")
            assert read() == COUNT, name


def _rows_of_raw(spine: Spine, scope: Scope) -> int:
    pieces = transfer.rows_of(spine.store, scope, Window(None, None), 0, COUNT)
    return transfer.count_in(io.BytesIO(b"".join(pieces)))


@pytest.fixture
def hurried(clickhouse_server: ClickHouseServer) -> Iterator[EventStore]:
    """The store as a client that waits two seconds for an answer."""
    store = EventStore(clickhouse_server.url, Bounds(clients=1, answer_seconds=2))
    yield store
    store.close()


@pytest.mark.parametrize("statement", ["DELETE FROM events", "ALTER TABLE events DELETE"])
def test_a_change_that_takes_longer_than_an_answer_may_is_waited_for(
    sqlite_spine: Spine, hurried: EventStore, statement: str
) -> None:
    scope = sqlite_spine.organization()
    sqlite_spine.record(scope, *({"action": "user.login"} for _ in range(4)))
    sqlite_spine.ship()
    slow = f"{statement} WHERE org_id = {{org:UUID}} AND seq > 0 AND sleepEachRow(0.7) = 0"
    hurried.change(slow, {"org": str(scope.org_id)})
    assert sqlite_spine.indexes(scope.org_id) == [0]
    hurried.ping()


def test_a_change_that_fails_is_an_error(sqlite_spine: Spine, hurried: EventStore) -> None:
    scope = sqlite_spine.organization()
    sqlite_spine.ship()
    where = "org_id = {org:UUID} AND throwIf(seq = 0, 'not this one') = 0"
    with pytest.raises(StoreError, match="not this one"):
        hurried.change(f"ALTER TABLE events DELETE WHERE {where}", {"org": str(scope.org_id)})
    sqlite_spine.store.change("KILL MUTATION WHERE table = 'events'")
    assert sqlite_spine.indexes(scope.org_id) == [0]


def test_errors_of_the_server_have_the_class_of_their_code(store: EventStore) -> None:
    with pytest.raises(StoreTimeout):
        store.rows("SELECT sleepEachRow(0.1) FROM numbers(30)", {}, seconds=0.5)
    with pytest.raises(StoreRefusal):
        store.rows("SELECT toUUID('none')", {})
    with pytest.raises(StoreError) as unknown:
        store.rows("SELECT 1 FROM nothing", {})
    assert not isinstance(unknown.value, StoreTimeout | StoreRefusal | StoreDamaged)


def test_a_long_parameter_is_taken_and_one_that_is_too_long_refused_as_a_server_does(store: EventStore) -> None:
    count = "SELECT length({text:String})"
    assert store.rows(count, {"text": "ä" * 50_000}) == [(100_000,)]
    with pytest.raises(StoreError, match="too long"):
        store.rows(count, {"text": "a" * 200_000})
