"""Invitations: a link joins one person once, for three days, whatever happens at the same time."""

import pytest
from sqlalchemy import select

from tallystick.access import members, people, sessions
from tallystick.access.scopes import operator_scope
from tallystick.destinations.tables import mails
from tallystick.errors import Conflict, Forbidden, NotFound, TallystickError, TooMany
from tallystick.invitations import invitation
from tallystick.invitations.acceptance import accept_as, accept_as_new, find_open
from tallystick.invitations.invitation import MOST_OPEN, LinkDelivery
from tests.access.town import CHEAP, DAY, MINUTE, OFFICE, at_once

BY_HAND, BY_EMAIL = (LinkDelivery("https://log.example", by_email=by_email) for by_email in (False, True))
MIA = "mia@new.example"


def invited(town, email=MIA, role="auditor", delivery=BY_HAND, by=None):
    """The token of a new invitation."""
    _, link = town.do(invitation.invite, town.scope(by or town.alice), email, role, delivery, caller=OFFICE)
    return link.rpartition("/")[2]


def join(town, token, name="Mia"):
    return town.do(accept_as_new, token, name, CHEAP, caller=OFFICE)


def roles(town, organization=None):
    with town.database.read() as connection:
        found = members.list_members(connection, operator_scope((organization or town.acme).org_id))
    return {member.email: member.role for member in found}


def opened(town, token):
    with town.database.read() as connection:
        return find_open(connection, token, now=town.clock.now)


def test_somebody_new_joins_with_the_link_and_is_signed_in(small_town):
    cookie = join(small_town, invited(small_town))
    assert roles(small_town)[MIA] == "auditor"
    with small_town.database.read() as connection:
        session = sessions.find_by_token(connection, cookie, small_town.clock.now)
    assert session is not None
    assert session.scope.principal.email == MIA


def test_every_step_is_told_with_actor_address_before_and_after(small_town):
    join(small_town, invited(small_town))
    sent, joined = small_town.told(small_town.acme, "user.invited", "user.joined")
    assert (sent["actor"]["email"], sent["resource"]["name"]) == ("alice@acme.com", MIA)
    assert (joined["actor"]["email"], joined["metadata"]["invited_by"]) == (MIA, "alice@acme.com")
    for event in (sent, joined):
        assert event["changes"] == {"role": {"before": None, "after": "auditor"}}
        assert event["context"]["ip_address"] == OFFICE.address


def test_a_link_works_once(small_town):
    token = invited(small_town)
    join(small_town, token)
    for use in (lambda: join(small_town, token), lambda: opened(small_town, token)):
        with pytest.raises(NotFound) as refusal:
            use()
        assert refusal.value.code == "bad_invitation"


def test_of_two_uses_at_once_one_joins_and_nothing_of_the_other_is_left(town):
    token = invited(town)
    outcomes = at_once(2, lambda number: join(town, token, f"Mia {number}"))
    refused = [outcome for outcome in outcomes if isinstance(outcome, TallystickError)]
    assert [refusal.code for refusal in refused] == ["bad_invitation"]
    assert roles(town)[MIA] == "auditor"
    assert len(town.told(town.acme, "user.joined")) == 1
    assert len(town.told(town.acme, "user.login")) == 1


def test_of_a_use_and_a_revocation_at_once_one_wins(town):
    token = invited(town)
    found = opened(town, token).invitation

    def act(number):
        if number:
            return join(town, token)
        return town.do(invitation.revoke, town.scope(town.alice), found.invitation_id)

    outcomes = at_once(2, act)
    refused = [outcome.code for outcome in outcomes if isinstance(outcome, TallystickError)]
    assert refused == (["invitation_over"] if MIA in roles(town) else ["bad_invitation"])


def test_a_link_ends_after_three_days_or_when_it_is_revoked_or_sent_again(small_town):
    token, other, third = (invited(small_town, f"{name}@new.example") for name in ("a", "b", "c"))
    scope = small_town.scope(small_town.alice)
    small_town.do(invitation.revoke, scope, opened(small_town, other).invitation.invitation_id)
    small_town.clock.pass_by(2 * MINUTE)
    small_town.do(invitation.resend, scope, opened(small_town, third).invitation.invitation_id, BY_HAND)
    for ended in (other, third):
        with pytest.raises(NotFound):
            opened(small_town, ended)
    small_town.clock.pass_by(3 * DAY - 3 * MINUTE)
    opened(small_town, token)
    small_town.clock.pass_by(MINUTE)
    with pytest.raises(NotFound):
        opened(small_town, token)


def test_an_invitation_of_somebody_who_lost_the_right_is_over(small_town):
    ann = small_town.do(people.create, operator_scope(small_town.acme.org_id), "ann@acme.com", "admin")
    _, link = small_town.do(invitation.invite, small_town.scope(ann, small_town.acme), MIA, "admin", BY_HAND)
    small_town.do(members.change_role, small_town.scope(small_town.alice), ann.user_id, "auditor")
    for use in (opened, join):
        with pytest.raises(NotFound):
            use(small_town, link.rpartition("/")[2])
    assert MIA not in roles(small_town)


def test_somebody_with_an_account_joins_a_second_organization_as_who_they_are(small_town):
    token = invited(small_town, "charlie@other.org")
    with pytest.raises(Conflict) as refusal:
        join(small_town, token)
    assert refusal.value.code == "account_exists"
    with pytest.raises(Conflict) as refusal:
        small_town.do(accept_as, token, small_town.bob.user_id)
    assert refusal.value.code == "other_account"
    small_town.do(accept_as, token, small_town.charlie.user_id)
    assert (roles(small_town)["charlie@other.org"], roles(small_town, small_town.other)["charlie@other.org"]) == (
        "auditor", "owner",
    )  # fmt: skip


def test_inviting_answers_the_same_for_an_address_with_an_account_elsewhere(small_town):
    answers = []
    for email in ("charlie@other.org", "nobody@other.org"):
        made, link = small_town.do(invitation.invite, small_town.scope(small_town.alice), email, "member", BY_EMAIL)
        answers.append((made.state(small_town.clock.now), made.role, link))
    assert answers[0] == answers[1]


def test_an_email_carries_the_link_which_nobody_else_is_shown(small_town):
    _, link = small_town.do(invitation.invite, small_town.scope(small_town.alice), MIA, "member", BY_EMAIL)
    with small_town.database.read() as connection:
        mail = connection.execute(select(mails)).one()
    assert (link, mail.recipient) == ("", MIA)
    token = mail.text.partition("https://log.example/join/")[2].split()[0]
    assert opened(small_town, token).organization == "Acme"


def test_a_member_and_somebody_invited_already_are_not_invited(small_town):
    invited(small_town)
    for email, code in (("bob@acme.com", "member_exists"), (MIA.upper(), "invitation_exists")):
        with pytest.raises(Conflict) as refusal:
            invited(small_town, email)
        assert refusal.value.code == code


def test_only_so_many_are_open_and_one_is_sent_again_once_a_minute(small_town, monkeypatch):
    monkeypatch.setattr(invitation, "MOST_OPEN", 2)
    assert MOST_OPEN > 2
    found = opened(small_town, invited(small_town)).invitation
    with pytest.raises(TooMany):
        small_town.do(invitation.resend, small_town.scope(small_town.alice), found.invitation_id, BY_EMAIL)
    invited(small_town, "two@new.example")
    with pytest.raises(TooMany) as refusal:
        invited(small_town, "three@new.example")
    assert refusal.value.code == "too_many_invitations"


def test_only_so_many_links_are_made_in_a_day_also_of_revoked_invitations(small_town, monkeypatch):
    monkeypatch.setattr(invitation, "MOST_LINKS", 2)
    for name in ("a", "b"):
        found = opened(small_town, invited(small_town, f"{name}@new.example")).invitation
        small_town.do(invitation.revoke, small_town.scope(small_town.alice), found.invitation_id)
    with pytest.raises(TooMany):
        invited(small_town, "c@new.example")
    small_town.clock.pass_by(DAY + MINUTE)
    invited(small_town, "c@new.example")


def test_an_admin_invites_no_owner_and_a_member_nobody(small_town):
    ann = small_town.do(people.create, operator_scope(small_town.acme.org_id), "ann@acme.com", "admin")
    with pytest.raises(Forbidden) as refusal:
        small_town.do(invitation.invite, small_town.scope(ann, small_town.acme), MIA, "owner", BY_HAND)
    assert refusal.value.code == "owner_only"
    with pytest.raises(Forbidden):
        invited(small_town, by=small_town.bob)


def test_charlie_neither_sees_nor_changes_invitations_of_acme(town):
    found = opened(town, invited(town)).invitation
    scope = town.scope(town.charlie)
    with town.database.read() as connection:
        assert invitation.list_invitations(connection, scope, now=town.clock.now) == []
    for act, more in ((invitation.resend, (BY_HAND,)), (invitation.revoke, ())):
        with pytest.raises(NotFound) as refusal:
            town.do(act, scope, found.invitation_id, *more)
        assert refusal.value.code == "no_invitation"
