"""Describing actions: who may, what is refused, what the trail says, and that organizations are apart."""

import uuid

import pytest

from tallystick.access.scopes import operator_scope, person_scope, user_principal
from tallystick.actions import changes
from tallystick.actions.catalogues import CHECK_SECONDS, ActionCatalogues
from tallystick.errors import Conflict, Forbidden, Invalid, NotFound
from tallystick.events.action_catalogue import BUILT_IN, ActionDescription
from tallystick.outbox import write as outbox
from tallystick.query.conditions import And, Contains, Equals, Not, Or

NOW = 1_700_000_000_000_000
ACME, OTHER = operator_scope(uuid.UUID(int=1)), operator_scope(uuid.UUID(int=2))


def described(action="invoice.approved", **given):
    fields = {"category": "other", "status": "success", "severity": "low", "sentence": "{actor} approved {resource}"}
    return ActionDescription(action=action, **(fields | given))


@pytest.fixture
def do(database, monkeypatch):
    monkeypatch.setattr("tallystick.access.organizations.lock_row", lambda *_: None)

    def act(function, scope, *arguments):
        with database.write() as connection:
            return function(connection, scope, *arguments, now=NOW)

    return act


def trail(database, scope):
    with database.write() as connection:
        return [(one.event["action"], one.event.get("changes")) for one in outbox.take(connection, scope.org_id, 100)]


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        (described("Invoice.approved"), "action"),
        (described("approved"), "action"),
        (described("a." + "b" * 100), "action"),
        (described("audit_log.viewed_again"), "action"),
        (described("imported.audit_log.viewed"), "action"),
        (described("user.login"), "action"),
        (described(sentence="{actor} approved {it}"), "sentence"),
        (described(description="x" * 501), "description"),
        (described(schema={"properties": {"changes": {"type": "text"}}}), "schema.properties.changes.type"),
        (described(schema={"$ref": "https://example.com"}), "schema"),
    ],
)
def test_an_invalid_description_is_refused_with_its_field(do, wanted, field):
    with pytest.raises(Invalid) as refused:
        do(changes.describe_action, ACME, wanted)
    assert (refused.value.code, refused.value.extra["field"]) == ("invalid_description", field)


@pytest.mark.parametrize("role", ["auditor", "member"])
def test_only_admins_describe_actions(do, role):
    scope = person_scope(ACME.org_id, user_principal(uuid.UUID(int=9), "ann@acme.com", "Ann"), role)
    with pytest.raises(Forbidden):
        do(changes.describe_action, scope, described())
    with pytest.raises(Forbidden):
        do(changes.remove_description, scope, "invoice.approved")


def test_each_change_is_in_the_trail_with_before_and_after(database, do):
    do(changes.describe_action, ACME, described())
    do(changes.describe_action, ACME, described())  # changes nothing
    do(changes.describe_action, ACME, described(severity="high"))
    do(changes.remove_description, ACME, "invoice.approved")
    first, second, third = trail(database, ACME)
    assert first[0] == second[0] == "audit_log.action_described"
    assert first[1]["sentence"] == {"before": None, "after": "{actor} approved {resource}"}
    assert second[1] == {"severity": {"before": "low", "after": "high"}}
    assert third[0] == "audit_log.action_removed"
    assert third[1]["severity"] == {"before": "high", "after": None}


def test_the_number_of_descriptions_is_limited(do, monkeypatch):
    monkeypatch.setattr(changes, "MOST_ACTIONS", 2)
    do(changes.describe_action, ACME, described("a.a"))
    do(changes.describe_action, ACME, described("a.b"))
    with pytest.raises(Conflict, match="at most 2"):
        do(changes.describe_action, ACME, described("a.c"))
    do(changes.describe_action, ACME, described("a.b", severity="high"))
    do(changes.describe_action, OTHER, described("a.c"))


def test_what_one_organization_describes_is_unknown_to_others(database, do):
    do(changes.describe_action, ACME, described())
    with pytest.raises(NotFound):
        do(changes.remove_description, OTHER, "invoice.approved")
    catalogues = ActionCatalogues(database)
    assert catalogues.of(ACME.org_id).find("invoice.approved") == described()
    assert catalogues.of(OTHER.org_id) is BUILT_IN


def test_another_process_sees_a_change_as_soon_as_it_looks_again(database, do):
    seconds = [0.0]
    catalogues = ActionCatalogues(database, lambda: seconds[0])
    assert catalogues.of(ACME.org_id) is BUILT_IN
    do(changes.describe_action, ACME, described())
    assert catalogues.cached(ACME.org_id) is BUILT_IN
    seconds[0] += CHECK_SECONDS
    first = catalogues.of(ACME.org_id)
    assert first.find("invoice.approved") == described()
    seconds[0] += CHECK_SECONDS
    assert catalogues.of(ACME.org_id) is first  # nothing changed: nothing is compiled again
    do(changes.remove_description, ACME, "invoice.approved")
    catalogues.forget(ACME.org_id)
    assert catalogues.of(ACME.org_id).find("invoice.approved") is None


WORD, ABSENT = Contains("signed"), Contains("absent")
NAMED = Equals("action", BUILT_IN.actions_with("signed"), wildcards=False)


@pytest.mark.parametrize(
    ("condition", "expanded"),
    [
        (ABSENT, ABSENT),
        (WORD, Or((WORD, NAMED))),
        (Not(WORD), Not(Or((WORD, NAMED)))),
        (Or((WORD, ABSENT)), Or((WORD, ABSENT, NAMED))),
        (And((ABSENT, WORD)), And((ABSENT, Or((WORD, NAMED))))),
        (And((Not(ABSENT), Not(WORD))), And((Not(ABSENT), Not(WORD), Not(NAMED)))),
        (NAMED, NAMED),
    ],
)
def test_words_are_expanded_so_that_they_are_still_matched_together(condition, expanded):
    assert BUILT_IN.expand(condition) == expanded
