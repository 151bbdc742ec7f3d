"""Emails about keys: a week and a day before a key expires, and when its maker left; each once."""

import pytest
from sqlalchemy import select

from tallystick.access import keys, members, people
from tallystick.access.scopes import operator_scope
from tallystick.destinations.tables import mails
from tallystick.key_warnings.worker import KeyWarner
from tests.access.town import DAY, HOUR, at_once


@pytest.fixture
def maker(town):
    """An auditor's past as an admin: mia made keys, and is an auditor now."""
    mia = town.do(people.create, operator_scope(town.acme.org_id), "mia@acme.com", "admin")
    town.do(people.create, operator_scope(town.acme.org_id), "nico@acme.com", "admin")
    return mia


def made(town, maker, name, days, *scopes):
    expires_at = None if days is None else town.clock.now + days * DAY
    scope = town.scope(maker, town.acme)
    return town.do(keys.add_key, scope, name, scopes or ("events:write",), expires_at=expires_at)[0]


def sent(town, worker) -> list[tuple[str, str]]:
    """Recipient and subject of what the worker queues now."""
    before = queued(town)
    while worker.step(town.clock.now):
        pass
    return sorted(one for one in queued(town) if one not in before)


def queued(town):
    with town.database.read() as connection:
        return [(row.recipient, row.subject) for row in connection.execute(select(mails))]


def test_owners_admins_and_the_maker_are_warned_a_week_and_a_day_before_and_once_each(town, maker):
    worker = KeyWarner(town.database, "https://log.example")
    made(town, maker, "shop", 30)
    town.do(members.change_role, town.scope(town.alice), maker.user_id, "auditor")
    assert sent(town, worker) == []
    for passed, when in ((24 * DAY, "within a week"), (6 * DAY - HOUR, "within a day")):
        town.clock.pass_by(passed)
        assert sent(town, worker) == [
            (recipient, f"The API key shop of Acme expires {when}")
            for recipient in ("alice@acme.com", "mia@acme.com", "nico@acme.com")
        ]
        assert sent(town, worker) == []


def test_two_workers_at_once_warn_once(town, maker):
    made(town, maker, "shop", 8)
    town.clock.pass_by(2 * DAY)
    at_once(2, lambda _: KeyWarner(town.database, "https://log.example").step(town.clock.now))
    assert len(queued(town)) == 3


def test_nobody_is_warned_of_keys_that_ended_or_never_lived_long(town, maker):
    worker = KeyWarner(town.database, "https://log.example")
    made(town, maker, "short", 3)
    made(town, maker, "lasting", None)
    for key in (made(town, maker, "revoked", 8),):
        town.do(keys.revoke_key, town.scope(town.alice), key.key_id)
    town.do(keys.rotate_key, town.scope(town.alice), made(town, maker, "rotated", 8).key_id, 2 * DAY)
    town.clock.pass_by(HOUR)
    assert [subject for _, subject in sent(town, worker) if "rotated" not in subject] == []


def test_owners_are_told_once_which_keys_stay_after_their_maker_left(town, maker):
    worker = KeyWarner(town.database, "https://log.example")
    made(town, maker, "writer", None)
    made(town, maker, "reader", None, "events:read")
    town.do(members.remove, town.scope(town.alice), maker.user_id)
    assert sent(town, worker) == [("alice@acme.com", "API keys of Acme go on working after their maker left")]
    with town.database.read() as connection:
        text = connection.execute(select(mails)).one().text
    assert ("writer" in text, "reader" in text) == (True, False)
    assert sent(town, worker) == []
