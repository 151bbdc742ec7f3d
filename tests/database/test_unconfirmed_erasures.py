"""Erasures that waited for a confirmation before there were decisions go on."""

from importlib import import_module
from uuid import UUID

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import insert, select

from tallystick.access.decisions import OPEN_DAYS
from tallystick.access.scopes import operator_scope
from tallystick.access.tables import decisions
from tallystick.clock import DAY_US
from tallystick.erasure import request
from tallystick.erasure.tables import erasures
from tallystick.errors import Forbidden
from tests.access.town import NOW, Town, build

migration = import_module("tallystick.database.migrations.versions.0015_decisions")
READY, LOOKING, DONE, BY_KEY = (UUID(int=number) for number in range(1, 5))


@pytest.fixture
def town(database) -> Town:
    """Acme, with erasures as an earlier version left them: Alice and a key requested some."""
    town = build(database)
    key = {"requested_by": "key_1", "requested_by_name": "a key"}
    alice = {"requested_by": town.alice.principal.id, "requested_by_name": town.alice.email}
    empty = {"place": "", "subject": "", "reason": "Request 17", "confirmed_by": "", "confirmed_by_name": ""}
    empty |= {"end_index": 0, "holds": "", "found": "", "events": 0, "held": 0, "waits_for": "", "stage": ""}
    with database.write() as connection:
        for erasure_id, state, by in (
            (READY, "ready", alice),
            (LOOKING, "looking", alice),
            (DONE, "completed", alice),
            (BY_KEY, "ready", key),
        ):
            row = {"org_id": town.acme.org_id, "erasure_id": erasure_id, "state": state, "requested_at": NOW}
            connection.execute(insert(erasures).values(**row, **empty, **by))
        with Operations.context(MigrationContext.configure(connection)):
            migration._adopt_erasures(decisions)
    return town


def test_a_person_who_requested_one_has_agreed_and_a_key_has_not(town):
    with town.database.read() as connection:
        found = {row.target_id: row for row in connection.execute(select(decisions))}
    assert set(found) == {READY, LOOKING, BY_KEY}
    assert {(row.state, row.kind, row.expires_at) for row in found.values()} == {
        ("pending", "erasure", NOW + OPEN_DAYS * DAY_US)
    }
    assert [found[one].first_by for one in (READY, LOOKING, BY_KEY)] == [town.alice.principal.id] * 2 + [""]


def test_they_are_shown_and_cancelled_and_still_take_a_second_person(town):
    scope = town.scope(town.alice)
    with town.database.read() as connection:
        ready = next(one for one in request.list_erasures(connection, scope) if one.erasure_id == READY)
        before = next(one for one in request.list_erasures(connection, scope) if one.erasure_id == DONE)
    assert (ready.first_by_name, ready.expires_at) == (town.alice.email, NOW + OPEN_DAYS * DAY_US)
    assert (before.first_by, before.expires_at) == ("", None)
    with pytest.raises(Forbidden):
        town.do(request.confirm, scope, ready.public_id)
    assert town.do(request.cancel, operator_scope(town.acme.org_id), ready.public_id).state == "cancelled"
