"""Own actions: each is one that the trail takes."""

import re

import msgspec
import pytest

from tallystick.access import keys, members, organizations, people, sessions
from tallystick.access.audit import Caller
from tallystick.access.scopes import operator_scope
from tallystick.events.catalogue import CATALOGUE
from tallystick.events.incoming import EventInput
from tallystick.events.intake import prepare
from tallystick.outbox import write as outbox
from tallystick.setting_values import REDACTED_KEYS
from tests.access.town import NOW
from tests.house.tree import PACKAGE


def test_every_action_that_access_tells_is_in_the_catalogue():
    source = "".join(path.read_text() for path in sorted((PACKAGE / "access").glob("*.py")))
    told = set(re.findall(r'"((?:api_key|audit_log|organization|user)\.[a-z_]+)"', source))
    assert len(told) > 10
    assert told <= set(CATALOGUE)


@pytest.mark.parametrize(
    "caller",
    [
        Caller(),
        Caller("192.0.2.10", "192.0.2.10", "Firefox/128", "web", "req_1"),
        Caller("2001:db8::1", "10.0.0.1", "x" * 100_000 + "\0", "api"),
        Caller(user_agent="\ud800\0\n"),
    ],
    ids=["nowhere", "office", "monster", "broken"],
)
def test_every_action_of_a_full_day_passes_the_intake_and_loses_nothing(small_town, caller):
    town, scope, bob = small_town, operator_scope(small_town.acme.org_id), small_town.bob.user_id
    town.do(organizations.set_retention, scope, 36_500, caller=caller)
    town.do(people.create, scope, "a" * 64 + "@" + "b" * 60 + ".org", "admin", name="李" * 100, caller=caller)
    town.do(members.change_role, scope, bob, "auditor", caller=caller)
    town.do(members.set_disabled, scope, bob, True, caller=caller)
    town.do(members.set_disabled, scope, bob, False, caller=caller)
    networks = [f"2001:db8:{number:x}::/48" for number in range(50)]
    town.do(keys.create_key, scope, "k" * 100, ["admin"], expires_at=NOW + 1, allowed_networks=networks, caller=caller)
    town.do(sessions.end, town.session(town.bob, caller=caller), caller=caller)
    with town.database.read() as connection:
        entries = outbox.take(connection, town.acme.org_id, 100)
    assert len(entries) == 8
    for entry in entries:
        event = msgspec.convert(dict(entry.event), EventInput)
        [prepared] = prepare(
            [event], received_at=NOW, recorded_by=entry.recorded_by, redacted_keys=frozenset(REDACTED_KEYS)
        )
        assert prepared.record.action == entry.event["action"]
        assert b'"redacted"' not in prepared.record.details
