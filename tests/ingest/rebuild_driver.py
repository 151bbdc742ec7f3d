"""A rebuild of the event store that is driven step by step, crashes included, and stores of earlier versions."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tallystick import clock
from tallystick.ingest.rebuild_requests import request_rebuild, unfinished_rebuild
from tallystick.ingest.store_rebuilder import StoreRebuilder
from tallystick.integrity.missing_events import new_rebuilder
from tallystick.query.scope import Scope
from tallystick.search.integrity import differences
from tallystick.store import rebuild
from tallystick.store.events import EventStore
from tallystick.store.schema import ANY_SIZE, CREATE_SETTINGS, REBUILD
from tests.fixtures.spine import Spine

FIRST_RELEASE = (Path(__file__).parent / "first_release" / "event_store.sql").read_text()
# What a rebuild calls, and where it may therefore end: before each of them, and after.
PLACES = ("prepare", "copy_pieces", "apply_deletions", "exchange", "drop_old")


class Crash(BaseException):
    """The process ends here: nothing that would handle an error sees it."""


def make_first_release(store: EventStore) -> None:
    """Let the store be an empty one of the first release (commit 759de3b), made by its own statements."""
    drop(store)
    for statement in FIRST_RELEASE.split(";\n"):
        if statement.strip():
            store.change(statement, settings=CREATE_SETTINGS)
    store.open()


def drop(store: EventStore) -> None:
    """Drop the tables of events, of whatever version."""
    any_version = store.with_readers(1, any_version=True)
    for table in ("events", REBUILD):
        any_version.change(f"DROP TABLE IF EXISTS {table} SYNC", settings=ANY_SIZE)


def rebuilder(spine: Spine) -> StoreRebuilder:
    """One whose steps are called by hand, on the node that ships."""
    assert spine.shipper.may_work(clock.now_us())
    return new_rebuilder(spine.shipper, spine.store.with_readers(1, any_version=True))


def ask(spine: Spine) -> None:
    """Ask for a rebuild, as the command does."""
    with spine.database.write() as connection:
        request_rebuild(connection)


def run(spine: Spine, worker: StoreRebuilder | None = None) -> None:
    """Rebuild to the end."""
    worker = worker or rebuilder(spine)
    for _ in range(1000):
        if not worker.step():
            with spine.database.read() as connection:
                row = unfinished_rebuild(connection)
            assert row is None, row
            return
    raise AssertionError("the rebuild does not end")


def is_rebuilding(spine: Spine) -> bool:
    with spine.database.read() as connection:
        return unfinished_rebuild(connection) is not None


@contextmanager
def crashing(dice: random.Random) -> Iterator[None]:
    """Let a rebuild crash once within, before or after one of its next calls; a rebuild that ends earlier is fine."""
    left = dice.randrange(1, 12)

    def may_die() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise Crash

    def dying(real: Callable[..., Any]) -> Callable[..., Any]:
        def instead(*given: Any) -> Any:
            may_die()
            answer = real(*given)
            may_die()
            return answer

        return instead

    with pytest.MonkeyPatch.context() as patch, suppress(Crash):
        for place in PLACES:
            patch.setattr(rebuild, place, dying(getattr(rebuild, place)))
        yield


def run_with_crashes(spine: Spine, dice: random.Random, times: int) -> None:
    """Rebuild to the end, with so many crashes, each followed by a new process."""
    for _ in range(times):
        with crashing(dice):
            run(spine)
    run(spine)


def assert_whole(spine: Spine, scope: Scope) -> None:
    """Every row of the organization is once in the store, and each of its columns is what its parts say."""
    indexes = spine.indexes(scope.org_id)
    assert len(set(indexes)) == len(indexes)
    assert list(differences(spine.database, spine.store, scope, 0, spine.size(scope.org_id))) == []
