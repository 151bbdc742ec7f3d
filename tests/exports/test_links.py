"""A link leads to its file as long as whoever made it has access to the file, and nothing that looks like one does."""

import struct

import pytest
from sqlalchemy import update

from tallystick import clock
from tallystick.access import keys, members, people
from tallystick.access.audit import NOWHERE
from tallystick.access.scopes import api_key_scope, person_scope
from tallystick.access.secret import sign_link
from tallystick.access.tables import api_keys
from tallystick.clock import DAY_US, SECOND_US
from tallystick.errors import Conflict, Forbidden, NotFound
from tallystick.exports import links
from tallystick.secret_keys import SecretKeys
from tests.exports.export_driver import ask, exporter, show
from tests.exports.test_exporter import person, told
from tests.fixtures.spine import Spine

EVENT = {"action": "thing.done"}
SECRET = "secret"


class LinkDriver:
    """An organization with events, and links that its people and keys make."""

    def __init__(self, spine: Spine, tmp_path) -> None:
        self.spine = spine
        self.scope = spine.organization()
        self.exporter = exporter(spine, tmp_path)
        self.now = clock.now_us()
        spine.record(self.scope, *[EVENT] * 3)

    def key(self, *scopes: str):
        """A new key and its scope."""
        with self.spine.database.write() as connection:
            expires_at = self.now + 5 * DAY_US
            token = keys.create_key(connection, self.scope, "ci", scopes, now=self.now, expires_at=expires_at)
            key = keys.find_by_token(connection, token)
        return key, api_key_scope(self.scope.org_id, key.key_id, key.name, key.scopes)

    def link(self, scope, requester=None):
        """The export and a link of the scope to it."""
        public_id = ask(self.spine, requester or scope, "csv")
        self.spine.ship()
        assert self.exporter.step()
        export = show(self.spine, requester or scope, public_id)
        with self.spine.database.write() as connection:
            return export, links.make_link(connection, scope, export, self.now + 2 * DAY_US, now=self.now)

    def follow(self, token: str, later: int = 0, secret: str = SECRET, previous: str = ""):
        with self.spine.database.read() as connection:
            keys = SecretKeys(secret, (previous,) if previous else ())
            return links.follow(connection, keys, token, now=self.now + later)[0].public_id

    def refuses(self, link, later: int = 0) -> bool:
        """Whether the link has ended."""
        with pytest.raises(NotFound) as over:
            self.follow(links.token_of(SecretKeys(SECRET), link), later)
        return over.value.code == "link_over"


@pytest.fixture
def at(sqlite_spine: Spine, tmp_path) -> LinkDriver:
    return LinkDriver(sqlite_spine, tmp_path)


def test_a_link_works_after_a_rotation_until_the_previous_key_is_removed(at):
    export, link = at.link(at.key("exports")[1])
    token = links.token_of(SecretKeys(SECRET), link)
    assert at.follow(token, secret="new", previous=SECRET) == export.public_id
    assert links.token_of(SecretKeys("new", (SECRET,)), link) != token
    with pytest.raises(NotFound):
        at.follow(token, secret="new")


def test_a_link_leads_to_its_export_until_its_time(at):
    export, link = at.link(at.key("exports")[1])
    token = links.token_of(SecretKeys(SECRET), link)
    assert at.follow(token, 2 * DAY_US - 2 * SECOND_US) == export.public_id
    assert at.refuses(link, 2 * DAY_US)


def test_no_letter_of_a_link_can_be_changed(at):
    token = links.token_of(SecretKeys(SECRET), at.link(at.key("exports")[1])[1])
    for place in range(len(token)):
        for letter in "A_":
            if token[place] != letter:
                with pytest.raises(NotFound, match="not valid"):
                    at.follow(token[:place] + letter + token[place + 1 :])


@pytest.mark.parametrize("text", ["", "x", "é" * 20, "=" * 96, "A" * 96, "A" * 10_000])
def test_what_is_no_link_is_none(at, text):
    with pytest.raises(NotFound, match="not valid"):
        at.follow(text)


def test_an_export_lists_every_link_in_force_however_many_were_made_since(at, monkeypatch):
    monkeypatch.setattr(links, "MAX_LINKS", 8)
    monkeypatch.setattr("tallystick.exports.request.MAX_LISTED", 1)
    _, scope = at.key("exports")
    export, first = at.link(scope)
    with at.spine.database.write() as connection:
        for _ in range(5):
            ended = links.make_link(connection, scope, export, at.now + DAY_US, now=at.now)
            links.end_link(connection, scope, export.public_id, ended.public_id, now=at.now)
            links.make_link(connection, scope, export, at.now + SECOND_US, now=at.now - DAY_US)
        last = links.make_link(connection, scope, export, at.now + DAY_US, now=at.now + SECOND_US)
        listed = [link.link_id for link in links.list_links(connection, scope, export.public_id)]
    assert {first.link_id, last.link_id} <= set(listed)
    assert len(listed) == 9


def test_an_export_has_a_bounded_number_of_links_in_force(at, monkeypatch):
    monkeypatch.setattr(links, "MAX_LINKS", 2)
    _, scope = at.key("exports")
    export, first = at.link(scope)
    with at.spine.database.write() as connection:
        links.make_link(connection, scope, export, at.now + DAY_US, now=at.now)
        with pytest.raises(Conflict, match="2 links"):
            links.make_link(connection, scope, export, at.now + DAY_US, now=at.now)
        links.end_link(connection, scope, export.public_id, first.public_id, now=at.now)
        assert links.make_link(connection, scope, export, at.now + DAY_US, now=at.now)


def test_another_server_signs_other_links(at):
    _, link = at.link(at.key("exports")[1])
    with pytest.raises(NotFound, match="not valid"):
        at.follow(links.token_of(SecretKeys(SECRET), link), secret="other")


def test_a_link_ends_when_its_key_is_revoked(at):
    key, scope = at.key("exports")
    _, link = at.link(scope)
    with at.spine.database.write() as connection:
        keys.revoke_key(connection, at.scope, key.key_id, now=at.now)
    assert at.refuses(link)


def test_a_link_ends_when_its_key_expires(at):
    key, scope = at.key("exports")
    _, link = at.link(scope)
    with at.spine.database.write() as connection:
        connection.execute(update(api_keys).where(api_keys.c.key_id == key.key_id).values(expires_at=at.now + DAY_US))
    assert at.follow(links.token_of(SecretKeys(SECRET), link), DAY_US - 1)
    assert at.refuses(link, DAY_US)


def test_a_link_ends_when_its_key_loses_the_scope(at):
    key, scope = at.key("exports")
    _, link = at.link(scope)
    with at.spine.database.write() as connection:
        connection.execute(update(api_keys).where(api_keys.c.key_id == key.key_id).values(scopes="events:read"))
    assert at.refuses(link)


@pytest.mark.parametrize("left", ["disabled", "removed from the organization"])
def test_a_link_ends_when_its_person_leaves(at, left):
    member, scope = person(at.spine, at.scope, "admin")
    _, link = at.link(scope)
    with at.spine.database.write() as connection:
        if left == "disabled":
            people.set_disabled(connection, "sarah@acme.com", True, now=at.now)
        else:
            members.set_disabled(connection, at.scope, member.user_id, True, now=at.now)
    assert at.refuses(link)


def test_a_link_to_a_file_of_the_whole_trail_ends_when_its_person_sees_less(at):
    member, scope = person(at.spine, at.scope, "admin")
    _, link = at.link(scope)
    with at.spine.database.write() as connection:
        members.change_role(connection, at.scope, member.user_id, "member", now=at.now)
    assert at.refuses(link)


def test_a_link_ends_when_the_filter_of_its_maker_is_another(at):
    _, scope = person(at.spine, at.scope, "member")
    _, link = at.link(scope)
    assert at.follow(links.token_of(SecretKeys(SECRET), link))
    with at.spine.database.write() as connection:
        connection.execute(update(links.export_links).values(view="0" * 64))
    assert at.refuses(link)


def test_a_link_can_be_ended_by_whoever_made_it_and_the_trail_says_so(at):
    _, scope = at.key("exports")
    export, link = at.link(scope)
    with at.spine.database.write() as connection:
        links.end_link(connection, scope, export.public_id, link.public_id, now=at.now, caller=NOWHERE)
        links.end_link(connection, scope, export.public_id, link.public_id, now=at.now, caller=NOWHERE)
        (listed,) = links.list_links(connection, scope, export.public_id)
        assert links.state_of(connection, export, listed, at.now) == "ended"
    assert at.refuses(link)
    event = told(at.spine, at.scope, "audit_log.export_link_ended")
    assert event["metadata"]["link"] == link.public_id


def test_a_link_can_be_ended_however_many_were_made_after_it(at, monkeypatch):
    monkeypatch.setattr(links.request, "MAX_LISTED", 1)
    _, scope = at.key("exports")
    export, link = at.link(scope)
    with at.spine.database.write() as connection:
        links.make_link(connection, scope, export, link.expires_at, now=at.now + 1000)
        links.end_link(connection, scope, export.public_id, link.public_id, now=at.now)
    assert at.refuses(link)


def test_a_link_of_others_is_ended_with_admin_alone(at):
    _, maker = at.key("exports")
    export, link = at.link(maker)
    other, admin = at.key("exports")[1], at.key("exports", "admin")[1]
    with at.spine.database.write() as connection:
        with pytest.raises(Forbidden):
            links.end_link(connection, other, export.public_id, link.public_id, now=at.now)
        links.end_link(connection, admin, export.public_id, link.public_id, now=at.now)
    assert at.refuses(link)


def test_a_link_of_an_earlier_version_ends_with_the_access_of_who_requested_the_export(at):
    key, scope = at.key("exports")
    export, _ = at.link(scope)
    payload = struct.pack(">16s16sQ", export.org_id.bytes, export.export_id.bytes, at.now // SECOND_US + 3600)
    token = sign_link(SecretKeys(SECRET), b"tallystick/export-link/v1\0", payload)
    assert at.follow(token) == export.public_id
    with at.spine.database.write() as connection:
        keys.revoke_key(connection, at.scope, key.key_id, now=at.now)
    with pytest.raises(NotFound, match="has ended"):
        at.follow(token)


def test_a_link_sent_by_a_schedule_ends_when_its_recipient_is_no_member_any_more(at):
    _, maker = person(at.spine, at.scope, "admin", "maya@acme.com")
    member, _ = person(at.spine, at.scope, "auditor")
    export, _ = at.link(maker)
    schedule_id = export.export_id
    with at.spine.database.write() as connection:
        inside, outside = (
            links.recipient_link(connection, maker, export, schedule_id, address, consented=consented, now=at.now)
            for address, consented in (("sarah@acme.com", False), ("tom@partner.example", True))
        )
        members.set_disabled(connection, at.scope, member.user_id, True, now=at.now)
    assert at.refuses(inside)
    assert at.follow(links.token_of(SecretKeys(SECRET), outside))


def test_the_links_that_a_schedule_sent_end_with_it(at):
    _, maker = person(at.spine, at.scope, "admin")
    export, _ = at.link(maker)
    with at.spine.database.write() as connection:
        link = links.recipient_link(
            connection, maker, export, export.export_id, "sarah@acme.com", consented=False, now=at.now
        )
    assert at.follow(links.token_of(SecretKeys(SECRET), link))
    with at.spine.database.write() as connection:
        links.end_recipient_links(connection, at.scope.org_id, export.export_id, "maya@acme.com", at.now)
    assert at.refuses(link)


def test_a_person_who_may_only_read_gives_nothing_to_others_by_a_link_from_before(at):
    member, maker = person(at.spine, at.scope, "admin")
    export, _ = at.link(maker)
    with at.spine.database.write() as connection:
        link = links.recipient_link(
            connection, maker, export, export.export_id, "tom@partner.example", consented=True, now=at.now
        )
        members.change_role(connection, at.scope, member.user_id, "auditor", now=at.now)
    assert at.refuses(link)


def test_another_organization_neither_lists_nor_ends_a_link(at):
    export, link = at.link(at.key("exports")[1])
    other = at.spine.organization("other")
    stranger = person_scope(other.org_id, other.principal, "owner")
    with at.spine.database.write() as connection:
        with pytest.raises(NotFound):
            links.list_links(connection, stranger, export.public_id)
        with pytest.raises(NotFound):
            links.end_link(connection, stranger, export.public_id, link.public_id, now=at.now)
    assert at.follow(links.token_of(SecretKeys(SECRET), link)) == export.public_id
