"""The values of an event that rules use: users, resources, devices, and values that look like secrets."""

import msgspec
import pytest

from tallystick.alerts.definition import parse_definition
from tallystick.alerts.fields import NAMES, WHERE, display_name
from tallystick.alerts.rule_tests import RuleTest, failures
from tallystick.events.incoming import EventInput
from tallystick.events.intake import prepare
from tallystick.query.scope import Principal


def record(**given):
    event = msgspec.convert({"action": "thing.done"} | given, EventInput)
    by = Principal("api_key", "key_1", "tests")
    return prepare([event], received_at=1_700_000_000_000_000, recorded_by=by, redacted_keys=frozenset())[0].record


@pytest.mark.parametrize(
    "value",
    [
        "AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "IQoJb3JpZ2lu" + "aB3/" * 30,
        "ghp_" + "a1B2" * 9,
        "github_pat_" + "a1B2c3" * 13 + "abcd",
        "glpat-" + "abcdefghij" * 2, "xoxb-1234567890-abcdefghij", "sk_live_" + "a1" * 12, "AIza" + "a" * 35,
        "sk-proj-" + "a" * 40, "whsec_" + "a" * 32,
        "postgres://jo:hunter2@db.example/x", "SG." + "a" * 22 + "." + "b" * 43, "npm_" + "a" * 36,
        "-----BEGIN RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0." + "c" * 43,
        "tsk_" + "a" * 36,
    ],
)  # fmt: skip
def test_tokens_of_known_forms_are_seen_wherever_they_stand(value):
    assert WHERE["holds_secret"](record(request={"env": [{"name": value}]}))
    assert WHERE["holds_secret"](record(description=f"with {value} inside"))


@pytest.mark.parametrize(
    "value",
    [
        "AKIAIOSFODNN7EXAMPLE", "key=ASIAIOSFODNN7EXAMPLE;", "AIDACKCEVSQ6C2EXAMPLE", "AROAIDPPEZS35WEXAMPLE:mei",
        "9f2c41d07a0b4e3f8a5d6c7b8e9f0a1b2c3d4e5f", "01a20911-22be-7dd9-9d1d-3cd581b6be2d", "AKIA", "ghp_short",
        "-----BEGIN PUBLIC KEY-----", "-----BEGIN CERTIFICATE-----", "eyJhbGciOiJIUzI1NiJ9", "sk_test_" + "a1" * 12,
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
        "https://example.com:8080/a@b", "sk-iing", "arn:aws:iam::123456789012:user/jo", "TASKAKIAIOSFODNN7EXAMPLEX",
    ],
)  # fmt: skip
def test_what_merely_looks_random_is_no_secret(value):
    assert not WHERE["holds_secret"](record(request={"secretId": value}))


def test_an_alert_never_contains_a_secret():
    definition = parse_definition(
        {"where": "holds_secret", "says": "An event {action} by {user} contains what looks like a secret."}
    )
    test = msgspec.convert(
        {"name": "it", "events": [{"action": "a.b", "user": "jo@acme.com", "request": {"k": "npm_" + "a" * 36}}],
         "fires": 1, "says": "An event a.b by jo@acme.com contains what looks like a secret."}, RuleTest
    )  # fmt: skip
    assert failures("Secret", definition, [test]) == []


def test_a_secret_in_a_name_is_hidden_wherever_the_name_is_shown():
    given = record(actor={"id": "tsk_" + "a" * 36}, resource={"type": "variable", "name": "x npm_" + "a" * 36})
    assert (display_name("user", given), display_name("resource", given)) == ("[hidden]", "x [hidden]")


def test_people_are_one_by_all_their_names_and_machines_are_nobody():
    someone = record(actor={"type": "user", "id": "usr_9", "email": "jo@acme.com", "name": "Jo"})
    assert NAMES["user"](someone) == ("jo@acme.com", "usr_9")
    assert NAMES["user"](record(actor={"type": "user", "name": "Jo"})) == ("Jo",)
    assert NAMES["user"](record(actor={"type": "anonymous", "email": "jo@acme.com"})) == ("jo@acme.com",)
    assert NAMES["user"](record(actor={"type": "anonymous", "name": "anonymous"})) == ()
    namesake = {"type": "user", "id": "usr_9", "name": "Jo Miller"}
    assert NAMES["resource"](record(resource=namesake)) == ("usr_9",)
    assert display_name("user", record(actor={"type": "api_key", "id": "key_1", "name": "CI"})) == "CI"
    assert NAMES["user"](record(actor={"type": "system", "id": "cron"})) == ()
    assert NAMES["resource"](record(resource={"type": "project", "id": "p1", "name": "api"})) == ("api", "p1")


def test_a_device_is_the_same_in_another_version():
    one = record(context={"user_agent": "Mozilla/5.0 Chrome/120.0.1 Safari/537.36"})
    other = record(context={"user_agent": "Mozilla/5.0 Chrome/131.0 Safari/537.36"})
    assert NAMES["device"](one) == NAMES["device"](other) != ()
    assert NAMES["device"](record()) == ()


def test_who_acts_on_themselves_is_known_by_any_name():
    jo = {"type": "user", "id": "usr_9", "email": "jo@acme.com"}
    assert WHERE["acts_on_itself"](record(actor=jo, resource={"type": "user", "name": "JO@acme.com"}))
    assert not WHERE["acts_on_itself"](record(actor=jo, resource={"type": "project", "name": "jo@acme.com"}))
    assert not WHERE["acts_on_itself"](record(actor=jo, resource={"type": "user", "id": "usr_8"}))


@pytest.mark.parametrize(
    ("changes", "weaker"),
    [
        (None, True), ({}, True), ({"note": "longer"}, True), ({"min_length": {"after": 12}}, True),
        ({"min_length": {"before": 8, "after": 12}}, False), ({"min_length": {"before": 12, "after": 8}}, True),
        ({"min_length": {"before": "8", "after": "12"}}, True), ({"min_length": {"before": 8, "after": 8}}, False),
        ({"idle_timeout": {"before": 60, "after": 30}}, False), ({"idle_timeout": {"before": 60, "after": 0}}, True),
        ({"requireSymbol": {"before": False, "after": True}}, True), ({"mfa": {"before": False, "after": True}}, False),
        ({"require_symbol": {"before": True, "after": False}}, True), ({"mfa": {"before": None, "after": True}}, True),
        ({"networks": {"before": ["10.0.0.0/8"], "after": []}}, True), ({"storage": {"before": 9, "after": 1}}, True),
        ({"min_length": {"before": 8, "after": 12}, "history": {"before": 5, "after": 1}}, True),
    ],
)  # fmt: skip
def test_only_what_is_plainly_stricter_is_no_weakening(changes, weaker):
    assert WHERE["weakens"](record(changes=changes)) is weaker


def test_an_address_is_one_value_however_it_is_written():
    spellings = ("::ffff:198.51.100.7", "198.51.100.7", "::FFFF:C633:6407")
    assert {NAMES["ip"](record(context={"ip_address": one})) for one in spellings} == {("198.51.100.7",)}
    assert NAMES["ip"](record(context={"ip_address": "2001:DB8:0:0::9"})) == ("2001:db8::9",)
