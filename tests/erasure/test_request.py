"""Who may confirm what somebody asked for: two people, and neither of them a key."""

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import update

from tallystick import clock
from tallystick.access import keys
from tallystick.access.decisions import OPEN_DAYS
from tallystick.access.tables import memberships
from tallystick.clock import DAY_US
from tallystick.erasure import request as erasures
from tallystick.erasure.eraser import Eraser
from tallystick.errors import Conflict, Forbidden, TallystickError
from tallystick.query.scope import OPERATOR, Principal, Scope
from tests.access.town import at_once
from tests.erasure.erasure_driver import MAYA, NICO, ask, by_sarah, confirm, eraser, events, join, records, run, show
from tests.fixtures.spine import Spine


def key_of(spine: Spine, scope: Scope, maker: Principal) -> Principal:
    """A key that this person made, as it acts."""
    with spine.database.write() as connection:
        made = replace(scope, principal=maker)
        keys.create_key(connection, made, "a key", ["admin"], now=clock.now_us())
        newest = max(keys.list_keys(connection, scope), key=lambda one: one.key_id)
    return Principal("api_key", newest.public_id, "a key")


@pytest.fixture
def work(request: pytest.FixtureRequest, tmp_path: Path) -> Eraser:
    """The eraser of the test's spine."""
    name = "sqlite_spine" if "sqlite_spine" in request.fixturenames else "spine"
    return eraser(request.getfixturevalue(name), tmp_path)


def asked_by(spine: Spine, scope: Scope, work: Eraser, by: Principal) -> str:
    """A request whose preview is ready."""
    public_id = ask(spine, scope, by=by)
    run(spine, work)
    return public_id


def refusal(spine: Spine, scope: Scope, public_id: str, by: Principal) -> str:
    with pytest.raises(TallystickError) as refused:
        confirm(spine, scope, public_id, by=by)
    return refused.value.code


def actions_of(spine: Spine, scope: Scope) -> list[str]:
    return [msgspec.json.decode(one.what)["action"] for one in events(spine, scope).values()]


def test_no_key_confirms_whoever_asked_and_whoever_made_it(sqlite_spine: Spine, work: Eraser) -> None:
    scope = sqlite_spine.organization()
    by_key = asked_by(sqlite_spine, scope, work, key_of(sqlite_spine, scope, MAYA))
    by_person = asked_by(sqlite_spine, scope, work, MAYA)
    for maker in (MAYA, NICO, scope.principal):
        key = key_of(sqlite_spine, scope, maker)
        for public_id in (by_key, by_person):
            assert refusal(sqlite_spine, scope, public_id, key) == "person_required"
            assert show(sqlite_spine, scope, public_id).state == "ready"


def test_whoever_asked_does_not_confirm_and_another_person_does(spine: Spine, work: Eraser) -> None:
    scope = spine.organization()
    join(spine, scope, NICO)
    public_id = asked_by(spine, scope, work, MAYA)
    assert refusal(spine, scope, public_id, MAYA) == "second_person_needed"
    assert confirm(spine, scope, public_id, by=NICO).state == "confirmed"


def test_what_a_key_asked_for_takes_two_people_who_both_stand_in_the_record(spine: Spine, work: Eraser) -> None:
    scope = spine.organization()
    spine.record(scope, by_sarah())
    spine.ship()
    join(spine, scope, MAYA, NICO)
    key = key_of(spine, scope, MAYA)
    public_id = asked_by(spine, scope, work, key)
    first = confirm(spine, scope, public_id, by=MAYA)
    assert (first.state, first.first_by, first.confirmed_by) == ("ready", MAYA.id, "")
    assert refusal(spine, scope, public_id, MAYA) == "second_person_needed"
    second = confirm(spine, scope, public_id, by=NICO)
    assert (second.state, second.first_by, second.confirmed_by) == ("confirmed", MAYA.id, NICO.id)
    run(spine, work)
    (record,) = records(spine, scope)
    assert (record["requested_by"], record["first_confirmed_by"], record["confirmed_by"]) == (key.id, MAYA.id, NICO.id)


def test_the_operator_is_the_second_where_one_person_may_decide(spine: Spine, work: Eraser) -> None:
    scope = spine.organization()
    public_id = asked_by(spine, scope, work, MAYA)
    confirmed = confirm(spine, scope, public_id, by=OPERATOR)
    assert (confirmed.state, confirmed.confirmed_by) == ("confirmed", OPERATOR.id)


def test_the_operator_is_not_where_two_people_may(sqlite_spine: Spine, work: Eraser) -> None:
    scope = sqlite_spine.organization()
    join(sqlite_spine, scope, NICO)
    public_id = asked_by(sqlite_spine, scope, work, MAYA)
    assert refusal(sqlite_spine, scope, public_id, OPERATOR) == "second_person_needed"


def test_the_operator_alone_is_not_two_people(sqlite_spine: Spine, work: Eraser) -> None:
    scope = sqlite_spine.organization()
    public_id = asked_by(sqlite_spine, scope, work, key_of(sqlite_spine, scope, scope.principal))
    assert confirm(sqlite_spine, scope, public_id, by=OPERATOR).state == "ready"
    assert refusal(sqlite_spine, scope, public_id, OPERATOR) == "second_person_needed"
    assert confirm(sqlite_spine, scope, public_id, by=MAYA).state == "confirmed"


@pytest.mark.parametrize("lost", [{"role": "auditor"}, {"disabled_at": 1}])
def test_a_person_who_lost_the_role_since_asking_counts_no_more(
    lost: dict[str, object], sqlite_spine: Spine, work: Eraser
) -> None:
    scope = sqlite_spine.organization()
    kim = replace(NICO, id=NICO.id[:-1] + "3", name="Kim", email="kim@acme.com")
    join(sqlite_spine, scope, NICO, kim)
    public_id = asked_by(sqlite_spine, scope, work, MAYA)
    with sqlite_spine.database.write() as connection:
        mine = memberships.c.org_id == scope.org_id
        connection.execute(update(memberships).where(mine, memberships.c.role == "owner").values(**lost))
    with pytest.raises(Forbidden):
        confirm(sqlite_spine, scope, public_id, by=MAYA)
    assert confirm(sqlite_spine, scope, public_id, by=NICO).state == "ready"
    assert confirm(sqlite_spine, scope, public_id, by=kim).state == "confirmed"


def test_a_request_that_nobody_confirms_ends_and_says_so(spine: Spine, work: Eraser) -> None:
    scope = spine.organization()
    join(spine, scope, NICO)
    public_id = asked_by(spine, scope, work, MAYA)
    late = OPEN_DAYS * DAY_US
    with spine.database.write() as connection, pytest.raises(Conflict):
        erasures.confirm(connection, replace(scope, principal=NICO), public_id, now=clock.now_us() + late)
    run(spine, work, later=late)
    ended = show(spine, scope, public_id)
    assert (ended.state, ended.subject, ended.expires_at) == ("expired", None, None)
    assert "audit_log.erasure_expired" in actions_of(spine, scope)


def test_of_confirming_and_cancelling_at_once_one_wins(spine: Spine, work: Eraser) -> None:
    scope = spine.organization()
    join(spine, scope, NICO)
    public_id = asked_by(spine, scope, work, MAYA)

    def act(number: int) -> object:
        decide = erasures.confirm if number % 2 else erasures.cancel
        with spine.database.write() as connection:
            return decide(connection, replace(scope, principal=NICO), public_id, now=clock.now_us())

    at_once(4, act)
    spine.sequencer.tick([])
    spine.ship()
    actions = actions_of(spine, scope)
    assert sum(action in ("audit_log.erasure_confirmed", "audit_log.erasure_cancelled") for action in actions) == 1
    assert f"audit_log.erasure_{show(spine, scope, public_id).state}" in actions
