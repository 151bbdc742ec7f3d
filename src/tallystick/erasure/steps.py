"""Steps of an erasure: the rows that hold which events lose which parts, first as found, then one for each record."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, delete, func, insert, select

from tallystick import clock, ids
from tallystick.erasure.request import AGAIN
from tallystick.erasure.tables import erasure_steps, erasures
from tallystick.retention import index_set

MAX_RECORD_TEXT = 50_000  # characters of one record's indexes: an event has no room for more
ErasureRow = Row[Any]


def schedule_replay(connection: Connection, org_id: UUID, erasure: str, sets: Sequence[tuple[int, str, bool]]) -> None:
    """Schedule an erasure again after a restore; `sets` are (parts as bits, indexes, whether the log has a record)."""
    now = clock.now_us()
    known = select(erasures.c.erasure_id).where(
        erasures.c.org_id == org_id,
        erasures.c.requested_by == AGAIN,
        erasures.c.requested_by_name == erasure,
        erasures.c.stage != "",
    )
    if connection.execute(known).first() is not None:
        return  # already scheduled
    erasure_id = ids.new_uuid(now)
    end = max(max(index_set.parse_indexes(text)) for _, text, _ in sets) + 1
    connection.execute(
        insert(erasures).values(
            org_id=org_id,
            erasure_id=erasure_id,
            state="confirmed",
            stage="wait",
            place="",
            subject="",
            reason="applied again after a restore",
            requested_by=AGAIN,
            requested_by_name=erasure,
            requested_at=now,
            confirmed_by=AGAIN,
            confirmed_by_name="",
            confirmed_at=now,
            end_index=end,
            holds="",
            found="",
            events=0,
            held=0,
            waits_for="",
        )
    )
    for number, (parts, text, is_recorded) in enumerate(sets):
        connection.execute(
            insert(erasure_steps).values(
                org_id=org_id,
                erasure_id=erasure_id,
                number=number,
                kind="record",
                parts=parts,
                indexes=text,
                entry_id=0 if is_recorded else None,
            )
        )


def steps_of(connection: Connection, row: ErasureRow, *conditions: Any) -> Sequence[ErasureRow]:
    """The steps of an erasure that match the conditions, in order."""
    mine = (erasure_steps.c.org_id == row.org_id) & (erasure_steps.c.erasure_id == row.erasure_id)
    statement = select(erasure_steps).where(mine, *conditions).order_by(erasure_steps.c.number)
    return connection.execute(statement).all()


def is_step(step: ErasureRow) -> Any:
    """The SQL condition for one step's row."""
    return (
        (erasure_steps.c.org_id == step.org_id)
        & (erasure_steps.c.erasure_id == step.erasure_id)
        & (erasure_steps.c.number == step.number)
    )


def group_by_parts(matches: Sequence[tuple[int, int]]) -> dict[int, list[int]]:
    """The indexes of (index, parts as bits) by parts."""
    found: dict[int, list[int]] = {}
    for index, mask in matches:
        found.setdefault(mask, []).append(index)
    return found


def add_steps(connection: Connection, row: ErasureRow, kind: str, sets: dict[int, list[int]]) -> None:
    """Append sets of indexes by parts as steps, each small enough for one record."""
    mine = (erasure_steps.c.org_id == row.org_id) & (erasure_steps.c.erasure_id == row.erasure_id)
    last = connection.execute(select(func.max(erasure_steps.c.number)).where(mine)).scalar()
    number = 0 if last is None else last + 1
    for parts, listed in sorted(sets.items()):
        left = sorted(set(listed))
        while left:
            some = index_set.prefix_within(left, MAX_RECORD_TEXT)
            left = left[len(some) :]
            connection.execute(
                insert(erasure_steps).values(
                    org_id=row.org_id,
                    erasure_id=row.erasure_id,
                    number=number,
                    kind=kind,
                    parts=parts,
                    indexes=index_set.format_indexes(some),
                )
            )
            number += 1


def merge_steps(connection: Connection, row: ErasureRow) -> None:
    """Combine the found sets into as few records as possible, without the indexes that were recorded before."""
    sets: dict[int, set[int]] = {}
    recorded: dict[int, set[int]] = {}
    for step in steps_of(connection, row):
        into = sets if step.kind == "found" else recorded
        into.setdefault(step.parts, set()).update(index_set.parse_indexes(step.indexes))
    mine = (erasure_steps.c.org_id == row.org_id) & (erasure_steps.c.erasure_id == row.erasure_id)
    connection.execute(delete(erasure_steps).where(mine, erasure_steps.c.kind == "found"))
    add_steps(connection, row, "record", {parts: list(of - recorded.get(parts, set())) for parts, of in sets.items()})
