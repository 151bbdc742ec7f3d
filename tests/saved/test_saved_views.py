"""Saved views: whose they are, who sees them, and what the trail says of it."""

import uuid

import pytest

from tallystick.access.scopes import person_scope, user_principal
from tallystick.errors import BadRequest, Conflict, Forbidden, NotFound
from tallystick.outbox import write as outbox
from tallystick.saved import saved_views

ORG, OTHER_ORG = uuid.UUID(int=1), uuid.UUID(int=2)
NOW = 1_700_000_000_000_000


def person(name, role="member", org=ORG):
    who = uuid.uuid5(uuid.NAMESPACE_DNS, name)
    return person_scope(org, user_principal(who, f"{name}@acme.com", name), role)


MAYA, JOHN, AUDITOR = person("maya", "owner"), person("john"), person("ann", "auditor")
CHARLIE = person("charlie", "owner", OTHER_ORG)


@pytest.fixture
def do(database):
    def act(function, scope, *arguments):
        with database.write() as connection:
            return function(connection, scope, *arguments, now=NOW)

    return act


@pytest.fixture
def names(database):
    def listed(scope):
        with database.read() as connection:
            return [view.name for view in saved_views.list_views(connection, scope)]

    return listed


def told(database):
    with database.write() as connection:
        return [waiting.event["action"] for waiting in outbox.take(connection, ORG, 100)]


@pytest.mark.parametrize("scope", [MAYA, JOHN, AUDITOR])
def test_a_view_is_its_owners_alone_until_it_is_shared(do, names, scope):
    do(saved_views.save_view, scope, "Failures", "status=failed")
    assert names(scope) == ["Failures"]
    assert [names(other) for other in (MAYA, JOHN, AUDITOR) if other is not scope] == [[], []]


def test_a_shared_view_is_for_the_organization_and_for_nobody_else(do, names):
    view = do(saved_views.save_view, MAYA, "Failures", "status=failed")
    do(saved_views.share_view, MAYA, view.id, True)
    assert [names(scope) for scope in (JOHN, AUDITOR, CHARLIE)] == [["Failures"], ["Failures"], []]
    do(saved_views.share_view, MAYA, view.id, False)
    assert names(JOHN) == []


@pytest.mark.parametrize(
    "query", ["user=p1%40acme.com", "q=p1", "resource=vault", "ip=192.0.2.7", "action=secret.read"]
)
def test_a_member_does_not_learn_from_a_shared_view_what_others_look_for(do, names, query):
    view = do(saved_views.save_view, MAYA, "Failures", f"status=failed&{query}")
    do(saved_views.share_view, MAYA, view.id, True)
    assert [names(scope) for scope in (JOHN, AUDITOR)] == [[], ["Failures"]]
    with pytest.raises(NotFound):
        do(saved_views.delete_view, JOHN, view.id)


def test_charlie_can_do_nothing_to_a_shared_view(do, names):
    view = do(saved_views.save_view, MAYA, "Failures", "status=failed")
    do(saved_views.share_view, MAYA, view.id, True)
    for act in (
        lambda: do(saved_views.rename_view, CHARLIE, view.id, "Mine"),
        lambda: do(saved_views.share_view, CHARLIE, view.id, False),
        lambda: do(saved_views.delete_view, CHARLIE, view.id),
    ):
        with pytest.raises(NotFound):
            act()
    assert names(MAYA) == ["Failures"]


def test_a_view_that_is_not_shared_is_not_even_there_for_others(do):
    view = do(saved_views.save_view, JOHN, "Mine", "")
    with pytest.raises(NotFound):
        do(saved_views.delete_view, MAYA, view.id)


def test_owners_and_admins_share_and_the_others_do_not(do):
    for scope in (JOHN, AUDITOR):
        view = do(saved_views.save_view, scope, "Mine", "")
        with pytest.raises(Forbidden):
            do(saved_views.share_view, scope, view.id, True)


def test_a_shared_view_is_changed_by_its_owner_and_taken_back_by_any_admin(do, names):
    view = do(saved_views.save_view, MAYA, "Failures", "status=failed")
    do(saved_views.share_view, MAYA, view.id, True)
    sam = person("sam", "admin")
    with pytest.raises(Forbidden):
        do(saved_views.rename_view, sam, view.id, "Sam's")
    with pytest.raises(Forbidden):
        do(saved_views.delete_view, JOHN, view.id)
    do(saved_views.delete_view, sam, view.id)
    assert names(MAYA) == []


def test_saving_under_the_same_name_changes_the_view(do, database):
    first = do(saved_views.save_view, JOHN, " My \n view ", "q=a")
    again = do(saved_views.save_view, JOHN, "My view", "q=b")
    assert (again.id, again.query) == (first.id, "q=b")


def test_two_views_of_one_person_have_two_names(do, names):
    do(saved_views.save_view, JOHN, "One", "q=1")
    two = do(saved_views.save_view, JOHN, "Two", "q=2")
    with pytest.raises(Conflict):
        do(saved_views.rename_view, JOHN, two.id, "One")
    do(saved_views.rename_view, JOHN, two.id, "Three")
    assert names(JOHN) == ["One", "Three"]


@pytest.mark.parametrize("name", ["", " \n", "x" * 101])
def test_a_view_has_a_name(do, name):
    with pytest.raises(BadRequest):
        do(saved_views.save_view, JOHN, name, "")


@pytest.mark.parametrize(
    "public_id", ["", "view_", "evt_00000000000000000000000000", "view_00000000000000000000000000"]
)
def test_what_is_no_view_is_said_to_be_none(do, public_id):
    with pytest.raises(NotFound):
        do(saved_views.delete_view, MAYA, public_id)


def test_a_person_keeps_so_many_views_and_no_more(do):
    for number in range(saved_views.MOST_VIEWS):
        do(saved_views.save_view, JOHN, f"View {number}", "")
    with pytest.raises(Conflict):
        do(saved_views.save_view, JOHN, "One more", "")


def test_every_change_is_recorded_in_the_audit_log(do, database):
    view = do(saved_views.save_view, MAYA, "Failures", "status=failed")
    do(saved_views.rename_view, MAYA, view.id, "Failed")
    do(saved_views.share_view, MAYA, view.id, True)
    do(saved_views.share_view, MAYA, view.id, True)
    do(saved_views.share_view, MAYA, view.id, False)
    do(saved_views.delete_view, MAYA, view.id)
    assert told(database) == [
        f"audit_log.view_{what}" for what in ("saved", "renamed", "shared", "unshared", "deleted")
    ]
