"""A trail with people in it, and an eraser that is driven step by step."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import insert, select

from tallystick import clock, ids
from tallystick.access.scopes import user_principal
from tallystick.access.tables import memberships, people
from tallystick.erasure import request
from tallystick.erasure.eraser import Eraser
from tallystick.erasure.personal_data import personal_data
from tallystick.erasure.request import Erasure
from tallystick.erasure.subject import Subject
from tallystick.events.record import StoredEvent
from tallystick.query.conditions import Query
from tallystick.query.scope import Principal, Scope
from tallystick.search.scan import in_order_of_index
from tests.fixtures.spine import Spine

SARAH = Subject("sarah@acme.com")
MAYA = user_principal(UUID(int=1), "maya@acme.com", "Maya")
NICO = user_principal(UUID(int=2), "nico@acme.com", "Nico")


def join(spine: Spine, scope: Scope, *principals: Principal) -> None:
    """Make people members of an organization, Maya its owner; nothing of it stands in the trail."""
    with spine.database.write() as connection:
        for principal in principals:
            user_id = ids.parse_uuid("usr", principal.id)
            if connection.execute(select(people).where(people.c.user_id == user_id)).first() is None:
                person = {"user_id": user_id, "email": principal.email, "name": principal.name, "created_at": 0}
                connection.execute(insert(people).values(person))
            mine = (memberships.c.org_id == scope.org_id) & (memberships.c.user_id == user_id)
            if connection.execute(select(memberships).where(mine)).first() is None:
                row = {
                    "org_id": scope.org_id,
                    "user_id": user_id,
                    "role": "owner" if principal is MAYA else "admin",
                    "joined_at": 0,
                }
                connection.execute(insert(memberships).values(row))


def event(action: str = "project.updated", **more: object) -> dict[str, object]:
    return {"action": action, "actor": {"id": "usr_1", "email": "john@acme.com"}, **more}


def by_sarah(**more: object) -> dict[str, object]:
    who = {"actor": {"email": "Sarah@acme.com", "name": "Sarah Lin"}, "context": {"ip_address": "192.0.2.9"}}
    return event(**who) | more  # type: ignore[arg-type]


def quicken(spine: Spine) -> None:
    """Let the store remove what was replaced at once, rather than half a minute later.

    The first shipment sets what the product sets, so it goes before; and the engine's cleanup sleeps for as long as the
    settings said when it fell asleep, so it is begun anew with the table.
    """
    spine.ship()
    spine.store.change(
        "ALTER TABLE events MODIFY SETTING old_parts_lifetime = 0, cleanup_delay_period = 0, "
        "max_cleanup_delay_period = 1, cleanup_delay_period_random_add = 0"
    )
    spine.store.change("DETACH TABLE events SYNC")
    spine.store.change("ATTACH TABLE events")


def eraser(spine: Spine, data_dir: Path) -> Eraser:
    made = Eraser(spine.database, spine.store, data_dir, personal_data(spine.database, data_dir))
    made.replay_at_start()
    return made


def run(spine: Spine, work: Eraser, *, later: int = 0) -> None:
    """Everything that there is to do, as the running server does it; the bytes may still be on the disk."""
    for _ in range(300):
        busy = work.step(clock.now_us() + later)
        spine.sequencer.tick([])
        spine.ship()
        if not busy and not work.step(clock.now_us() + later):
            return
    raise AssertionError("the erasure does not end")


def ask(spine: Spine, scope: Scope, subject: Subject = SARAH, reason: str = "Request 17", by: Principal = MAYA) -> str:
    """The id of a new request, by a person who becomes a member, or by a key."""
    if by.kind == "user":
        join(spine, scope, by)
    with spine.database.write() as connection:
        return request.request_erasure(
            connection, replace(scope, principal=by), subject, reason, now=clock.now_us()
        ).public_id


def confirm(spine: Spine, scope: Scope, public_id: str, by: Principal = NICO) -> Erasure:
    """The request after a person agreed, who becomes a member, or the operator did."""
    if by.kind == "user":
        join(spine, scope, by)
    with spine.database.write() as connection:
        return request.confirm(connection, replace(scope, principal=by), public_id, now=clock.now_us())


def show(spine: Spine, scope: Scope, public_id: str) -> Erasure:
    with spine.database.read() as connection:
        return request.show(connection, scope, public_id)


def erase(spine: Spine, scope: Scope, work: Eraser, subject: Subject = SARAH) -> str:
    """A whole erasure, but for the disk."""
    public_id = ask(spine, scope, subject)
    run(spine, work)
    confirm(spine, scope, public_id)
    run(spine, work)
    return public_id


def events(spine: Spine, scope: Scope, first: int = 0, end: int | None = None) -> dict[int, StoredEvent]:
    """Every event by its index."""
    end = spine.size(scope.org_id) if end is None else end
    blocks = in_order_of_index(spine.database, spine.store, scope, Query(), first, end)
    return {one.index: one for block in blocks for one in block}


def records(spine: Spine, scope: Scope) -> Sequence[Mapping[str, Any]]:
    """What the records of erasures say."""
    found = [one for one in events(spine, scope).values() if b'"audit_log.subject_erased"' in one.what]
    return [msgspec.json.decode(one.details)["metadata"] for one in found]
