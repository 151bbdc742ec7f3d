"""The filter of a membership: set by owners, obeyed by every scope of the person, recorded."""

import pytest

from tallystick.access import members, sessions
from tallystick.access.current_scope import current_scope
from tallystick.access.member_filter import scope_within_filter, set_filter
from tallystick.access.revision import read_revision
from tallystick.access.scopes import own_activity, person_scope
from tallystick.errors import Conflict, Forbidden, NotFound
from tallystick.query.conditions import And
from tallystick.search.filter_text import parse_filter
from tests.access.town import at_once

LIMIT = parse_filter("category:deployments", now=0)
OTHER = parse_filter("resource:prj_88", now=0)


def limit_bob(town, limit=LIMIT, by=None):
    return town.do(set_filter, town.scope(by or town.alice), town.bob.user_id, limit)


def bobs_scopes(town):
    """What Bob's session, and what work for him in the background, may read."""
    token = town.session(town.bob)
    with town.database.read() as connection:
        session = sessions.find_by_token(connection, token, town.clock.now)
        return [session.scope, current_scope(connection, town.acme.org_id, town.bob.principal, now=town.clock.now)]


def test_every_scope_of_a_limited_member_has_the_filter_and_the_own_activity(small_town):
    assert limit_bob(small_town).limit == LIMIT
    for scope in bobs_scopes(small_town):
        assert scope.mandatory == And((own_activity(small_town.bob.principal), LIMIT.condition))
        assert (scope.filter, scope.is_filtered) == ("category:deployments", True)


def test_the_change_is_recorded_with_before_and_after_and_seen_everywhere(small_town):
    with small_town.database.read() as connection:
        before = read_revision(connection)
    limit_bob(small_town)
    limit_bob(small_town, OTHER)
    limit_bob(small_town, OTHER)
    limit_bob(small_town, None)
    told = small_town.told(small_town.acme, "user.filter_changed")
    assert [one["changes"]["filter"] for one in told] == [
        {"before": None, "after": "category:deployments"},
        {"before": "category:deployments", "after": "resource:prj_88"},
        {"before": "resource:prj_88", "after": None},
    ]
    assert {(one["actor"]["email"], one["resource"]["name"]) for one in told} == {("alice@acme.com", "bob@acme.com")}
    with small_town.database.read() as connection:
        assert read_revision(connection) == before + 3


def test_only_an_owner_sets_a_filter_and_only_in_the_own_organization(small_town):
    admin = small_town.do(members.change_role, small_town.scope(small_town.alice), small_town.bob.user_id, "admin")
    with pytest.raises(Forbidden, match="owner"):
        limit_bob(small_town, by=admin)
    with pytest.raises(NotFound):
        limit_bob(small_town, by=small_town.charlie)


def test_who_could_lift_a_filter_gets_none_and_who_has_one_is_not_promoted(small_town):
    alice = small_town.scope(small_town.alice)
    with pytest.raises(Conflict, match="could lift"):
        small_town.do(set_filter, alice, small_town.alice.user_id, LIMIT)
    limit_bob(small_town)
    with pytest.raises(Conflict, match="remove this filter"):
        small_town.do(members.change_role, alice, small_town.bob.user_id, "admin")
    assert small_town.do(members.change_role, alice, small_town.bob.user_id, "auditor").limit == LIMIT


def test_a_preview_reads_for_the_owner_what_the_member_would(small_town):
    with small_town.database.read() as connection:
        seen = scope_within_filter(connection, small_town.scope(small_town.alice), small_town.bob.user_id, LIMIT)
    would = person_scope(small_town.acme.org_id, small_town.bob.principal, "member", LIMIT)
    assert (seen.mandatory, seen.principal) == (would.mandatory, small_town.alice.principal)
    assert seen.permissions == {"events:read"}


def test_of_a_filter_and_a_promotion_at_once_one_is_refused(town):
    def act(number):
        alice = town.scope(town.alice)
        if number:
            return town.do(set_filter, alice, town.bob.user_id, LIMIT)
        return town.do(members.change_role, alice, town.bob.user_id, "admin")

    done = at_once(2, act)
    assert sum(isinstance(one, Conflict) for one in done) == 1
    with town.database.read() as connection:
        bob = members.show_member(connection, town.scope(town.alice), town.bob.user_id)
    assert (bob.role, bob.limit) in {("admin", None), ("member", LIMIT)}
