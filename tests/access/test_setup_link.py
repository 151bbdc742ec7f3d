"""The link by which the first owner is made."""

import pytest
import sqlalchemy as sa

from tallystick.access import organizations, sessions, setup_link, tables
from tallystick.access.setup_link import FirstOwner
from tallystick.database.engine import Database
from tallystick.errors import BadRequest, NotFound
from tallystick.outbox import write as outbox
from tests.access.town import CHEAP, DAY, NOW, OFFICE, at_once

SARAH = FirstOwner("acme", "Acme", "sarah@acme.com", "Sarah Lin", CHEAP)


def make(database: Database, now=NOW):
    with database.write() as connection:
        return setup_link.make(connection, now=now)


def use(database: Database, token, owner=SARAH, now=NOW):
    with database.write() as connection:
        return setup_link.use(connection, token, owner, now=now, caller=OFFICE)


def check(database: Database, token, now=NOW):
    with database.read() as connection:
        setup_link.check(connection, token, now=now)


def refused(act, *arguments):
    with pytest.raises(NotFound) as refusal:
        act(*arguments)
    assert refusal.value.code == "bad_setup_link"


def test_the_link_makes_the_first_organization_and_its_owner(database):
    token = make(database)
    check(database, token)
    organization, member = use(database, token)
    assert (organization.slug, organization.plan, organization.retention_days) == ("acme", "enterprise", 365)
    assert (member.email, member.name, member.role) == ("sarah@acme.com", "Sarah Lin", "owner")
    with database.write() as connection:
        assert sessions.begin(connection, member.user_id, organization.org_id, now=NOW)


def test_the_first_owner_is_the_one_who_acted(sqlite_database):
    organization, member = use(sqlite_database, make(sqlite_database))
    with sqlite_database.read() as connection:
        events = [entry.event for entry in outbox.take(connection, organization.org_id, 10)]
    assert [event["action"] for event in events] == ["organization.created", "user.created"]
    for event in events:
        assert event["actor"]["id"] == member.principal.id
        assert event["actor"]["name"] == "Sarah Lin"
        assert event["context"]["ip_address"] == "192.0.2.10"


def test_the_link_works_once(sqlite_database):
    token = make(sqlite_database)
    use(sqlite_database, token)
    refused(check, sqlite_database, token)
    refused(use, sqlite_database, token)


def test_a_link_ends_after_a_day(sqlite_database):
    token = make(sqlite_database)
    check(sqlite_database, token, NOW + DAY - 1)
    refused(check, sqlite_database, token, NOW + DAY)
    refused(use, sqlite_database, token, SARAH, NOW + DAY)


@pytest.mark.parametrize("token", ["", "x" * 43, "é" * 43, "\0"])
def test_no_other_text_is_a_link(sqlite_database, token):
    make(sqlite_database)
    refused(check, sqlite_database, token)


def test_there_is_no_link_when_there_is_an_organization(sqlite_database):
    earlier = make(sqlite_database)
    with sqlite_database.write() as connection:
        organizations.create(connection, "acme", now=NOW)
    assert make(sqlite_database) is None
    refused(check, sqlite_database, earlier)
    refused(use, sqlite_database, earlier)


def test_the_database_holds_a_hash_of_the_link_alone(sqlite_database):
    token = make(sqlite_database)
    with sqlite_database.read() as connection:
        assert token not in str(connection.execute(sa.select(tables.setup_links)).all())


def test_a_form_with_a_mistake_leaves_the_link_good(sqlite_database):
    token = make(sqlite_database)
    with pytest.raises(BadRequest):
        use(sqlite_database, token, FirstOwner("acme", "Acme", "sarah", "Sarah", CHEAP))
    use(sqlite_database, token)


def test_of_two_with_the_same_link_at_once_one_wins(database):
    token = make(database)
    outcomes = at_once(2, lambda n: use(database, token, FirstOwner(f"acme{n}", "", f"s{n}@acme.com", "", CHEAP)))
    assert sum(isinstance(outcome, NotFound) for outcome in outcomes) == 1
    with database.read() as connection:
        assert len(organizations.list_all(connection)) == 1


def test_of_two_with_links_of_two_nodes_at_once_one_wins(database):
    tokens = [make(database), make(database)]
    outcomes = at_once(2, lambda n: use(database, tokens[n], FirstOwner(f"acme{n}", "", f"s{n}@acme.com", "", CHEAP)))
    assert sum(isinstance(outcome, NotFound) for outcome in outcomes) == 1
    with database.read() as connection:
        assert len(organizations.list_all(connection)) == 1
