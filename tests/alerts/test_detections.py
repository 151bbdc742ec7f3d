"""The shipped detections: each with its own tests, and all of them on a fortnight of the demo organization."""

import re
from functools import cache
from pathlib import Path
from uuid import UUID

import msgspec
import pytest

from tallystick.alerts.compiled_rule import CompiledRule
from tallystick.alerts.evaluation import evaluate_events
from tallystick.alerts.rule import Rule, describe
from tallystick.alerts.rule_tests import failures
from tallystick.alerts.rules_file import shipped_detections
from tallystick.clock import DAY_US
from tallystick.demo import agents
from tallystick.demo.incidents import DELETED_DAY, GUESSED_DAY, PERIOD_DAYS, RAISED_DAY
from tallystick.events.incoming import EventInput
from tallystick.events.intake import prepare
from tallystick.query.scope import Principal

NOW = 1_790_000_000 * 1_000_000  # 2026-09-21, a Monday
LOADER = Principal("api_key", "key_demo", "demo")

WANTED = {
    "failed_sign_ins", "deployment_failed", "brute_force", "password_spraying", "new_address", "new_device",
    "off_hours", "bulk_deletion", "role_raised", "role_self_raised", "protection_weakened", "key_from_new_address",
    "mass_export", "dormant_account", "disabled_person_active", "audit_weakened", "secret_in_event", "clock_skew",
    "source_silent", "integrity_failed", "new_agent", "agent_alone", "new_country",
    "impossible_travel", "cloud_log_stopped", "cloud_admin_granted", "cloud_key_created", "cloud_data_deleted",
    "cloud_bulk_deletion", "cloud_root_used", "owner_added", "key_made", "member_removed", "invitation_accepted",
}  # fmt: skip


@pytest.mark.parametrize("one", shipped_detections(), ids=lambda one: one.id)
def test_it_fires_where_it_should_and_nowhere_else(one):
    assert failures(one.name, one.definition, one.tests) == []
    assert {test.fires == 0 or test.fires == [] for test in one.tests} == {True, False}, "both kinds of test"
    assert one.about
    assert one.often
    assert one.runbook
    assert describe(one.definition)


def test_all_that_were_promised_are_there_and_two_are_on():
    assert {one.id for one in shipped_detections()} == WANTED
    assert {one.id for one in shipped_detections() if one.enabled} == {"failed_sign_ins", "deployment_failed"}


@cache
def demo():
    """Ninety days of the demo organization, as records."""
    events = [msgspec.convert(event, EventInput) for event in agents.demo_events(now_us=NOW, count=12_000)]
    made = prepare(events, received_at=NOW, recorded_by=LOADER, redacted_keys=frozenset())
    return [(index, one.record) for index, one in enumerate(made)]


def found_by(name: str) -> list[tuple[str, int]]:
    """For whom and on which day a detection fires on them."""
    one = next(one for one in shipped_detections() if one.id == name)
    compiled = CompiledRule(UUID(int=3), one.definition)
    rule = Rule(
        UUID(int=0), UUID(int=3), one.name, one.definition, one.severity, "", one.id, (), True, None, 0, True, 1, "", 0
    )
    found = evaluate_events(rule, compiled, compiled.new_detector(), demo()).firings
    return [(record.actor_email or record.actor_name, firing.at // DAY_US) for firing, record in found]


GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "detections.md"


def documented() -> dict[str, int]:
    """How often each fires on the demo organization, as the guide says it."""
    rows = re.findall(r"^\| `(\w+)` \|.*\| (\d+|-) \|$", GUIDE.read_text("utf-8"), re.MULTILINE)
    return {name: 0 if number == "-" else int(number) for name, number in rows}


def test_every_planted_incident_is_found_each_time():
    days = range(NOW // DAY_US - 89, NOW // DAY_US)
    for name, person, planted_on in (
        ("failed_sign_ins", "tom@acme.com", GUESSED_DAY), ("brute_force", "tom@acme.com", GUESSED_DAY),
        ("role_self_raised", "dmitri@acme.com", RAISED_DAY), ("role_raised", "dmitri@acme.com", RAISED_DAY),
        ("bulk_deletion", "priya@acme.com", DELETED_DAY),
    ):  # fmt: skip
        planted = {day for day in days if day % PERIOD_DAYS == planted_on}
        assert planted <= {day for who, day in found_by(name) if who == person}, name


def test_each_night_in_which_an_agent_acts_alone_is_found():
    nights = {
        day + 1 for day in range(NOW // DAY_US - 88, NOW // DAY_US - 1) if day % agents.PERIOD_DAYS == agents.NIGHT_DAY
    }
    assert nights <= {day for who, day in found_by("agent_alone") if who == "Atlas"}


def test_none_fires_more_often_than_the_guide_says():
    said = documented()
    assert said.keys() == WANTED
    for one in shipped_detections():
        if one.definition.kind != "silence":
            assert len(found_by(one.id)) <= said[one.id], one.id


def test_the_guide_says_of_each_what_it_is():
    text = GUIDE.read_text("utf-8")
    for one in shipped_detections():
        assert f"### {one.name}\n\n{one.about}" in text
        assert one.runbook in text
