"""Who may confirm what somebody asked for."""

from dataclasses import replace
from pathlib import Path

import pytest

from tallystick import clock
from tallystick.access import keys
from tallystick.errors import Forbidden
from tallystick.query.scope import Principal, Scope
from tests.erasure.erasure_driver import MAYA, NICO, ask, confirm, eraser, run
from tests.fixtures.spine import Spine


def key_of(spine: Spine, scope: Scope, maker: Principal) -> Principal:
    """A key that this person made, as it acts."""
    with spine.database.write() as connection:
        made = replace(scope, principal=maker)
        keys.create_key(connection, made, "a key", ["admin"], now=clock.now_us())
        newest = max(keys.list_keys(connection, scope), key=lambda one: one.key_id)
    return Principal("api_key", newest.public_id, "a key")


def test_two_keys_that_one_person_made_are_one_person(spine: Spine, tmp_path: Path) -> None:
    scope = spine.organization()
    first, second, other = (key_of(spine, scope, maker) for maker in (MAYA, MAYA, NICO))
    work = eraser(spine, tmp_path)
    public_id = ask(spine, scope, by=first)
    run(spine, work)
    for same in (first, second):
        with pytest.raises(Forbidden):
            confirm(spine, scope, public_id, by=same)
    assert confirm(spine, scope, public_id, by=other).state == "confirmed"


def test_of_keys_that_the_operator_made_no_person_is_known(spine: Spine, tmp_path: Path) -> None:
    scope = spine.organization()
    first, second = (key_of(spine, scope, scope.principal) for _ in range(2))
    work = eraser(spine, tmp_path)
    public_id = ask(spine, scope, by=first)
    run(spine, work)
    with pytest.raises(Forbidden):
        confirm(spine, scope, public_id, by=first)
    assert confirm(spine, scope, public_id, by=second).state == "confirmed"


def test_a_key_and_the_key_that_it_made_are_one(spine: Spine, tmp_path: Path) -> None:
    scope = spine.organization()
    first = key_of(spine, scope, scope.principal)
    made = key_of(spine, scope, first)
    work = eraser(spine, tmp_path)
    public_id = ask(spine, scope, by=first)
    run(spine, work)
    with pytest.raises(Forbidden):
        confirm(spine, scope, public_id, by=made)
