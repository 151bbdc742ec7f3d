"""The catalogue is complete and says what an action without an entry is."""

import re
from importlib.resources import files

import pytest

from tallystick.events.catalogue import CATALOGUE, CATEGORIES, SEVERITIES, STATUSES, category_of, severity_of, status_of
from tallystick.events.intake import ACTION


def test_no_action_stands_twice_and_each_has_the_form_of_one():
    lines = files("tallystick.events").joinpath("catalogue.tsv").read_text().splitlines()
    assert len(CATALOGUE) == len([line for line in lines if line and not line.startswith("#")]) - 1  # the heads
    assert all(entry.action == name and ACTION.fullmatch(name) for name, entry in CATALOGUE.items())


def test_every_entry_has_known_values():
    for entry in CATALOGUE.values():
        assert entry.category in CATEGORIES
        assert entry.status in STATUSES
        assert entry.severity in SEVERITIES
        assert entry.origin in ("seed", "added")


def test_every_sentence_is_its_own_and_has_no_blank_that_nobody_fills():
    sentences = [entry.sentence for entry in CATALOGUE.values()]
    assert len(set(sentences)) == len(sentences)
    for sentence in sentences:
        rest = re.sub(r"\{(actor|subject|resource(\|[^{}]+)?)\}", "", sentence)
        assert not re.search(r"[{}|.]|  ", rest.replace("  ", " ")), sentence


@pytest.mark.parametrize(
    ("action", "category"),
    [
        ("user.login", "authentication"),
        ("user.invited", "users"),
        ("user.login_throttled", "authentication"),
        ("user.login.sso", "authentication"),
        ("user.frobbed", "users"),
        ("user_group.created", "users"),
        ("project.frobbed", "projects"),
        ("project.secret.rotated", "projects"),
        ("policy.frobbed", "policies"),
        ("integration.frobbed", "integrations"),
        ("workflow.run.finished", "workflows"),
        ("api_key.frobbed", "settings"),
        ("audit_log.frobbed", "settings"),
        ("widget.frobbed", "other"),
        ("userland.frobbed", "other"),
        ("_.x", "other"),
    ],
)
def test_a_category_goes_by_the_whole_action_then_by_its_longest_known_beginning(action, category):
    assert category_of(action) == category


def test_an_unknown_action_is_a_success_of_no_weight():
    assert (status_of("widget.frobbed"), severity_of("widget.frobbed")) == ("success", "info")
    assert (status_of("deployment.rollback_failed"), severity_of("deployment.rollback_failed")) == (
        "failed",
        "high",
    )
