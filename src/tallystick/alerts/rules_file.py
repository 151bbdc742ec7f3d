"""Parses rules from YAML, naming mistakes by rule, and writes them; holds the detections shipped with Tallystick.

    rules:
      - name: Failed sign-ins
        query: action:user.login_failed
        count: 5
        window_seconds: 600
        group_by: user
        severity: medium
        tests:
          - name: five within ten minutes
            events:
              - {at: 0, action: user.login_failed, user: sarah@acme.com, ip: 192.0.2.7, repeat: 5, every: 60}
            fires: [sarah@acme.com]

`at` is seconds or a time, `every` seconds; `user` and `ip` are short for `actor` and `context`; `received` is when the
event was recorded, if not when it happened. `fires` says how often the rule should fire, or for which groups in order.
`until` is when a silence rule is checked.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec
import yaml

from tallystick.alerts.definition import RuleDefinition, parse_definition
from tallystick.alerts.rule import Rule
from tallystick.alerts.rule_tests import RuleTest
from tallystick.errors import BadRequest, NotFound

MOST_RULES = 200
MOST_TEST_EVENTS = 20_000  # of all tests of a file
MOST_NODES = 50_000
MOST_DEPTH = 20
MOST_NUMBER = 100  # characters
_DIGITS = "0123456789abcdefABCDEFxo:._+-"  # and signs that a number can have
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
_UNTEXT = re.compile("[\0\ud800-\udfff]")
_OWN = ("name", "severity", "runbook", "destinations", "enabled", "tests", "id", "about", "often")


@dataclass(frozen=True, slots=True)
class RuleSpec:
    """A rule of a file. `id`, `about` (what it detects) and `often` (how often to expect it) are set in detections."""

    id: str
    name: str
    about: str
    often: str
    definition: RuleDefinition
    severity: str
    runbook: str
    destinations: tuple[str, ...]
    enabled: bool
    tests: tuple[RuleTest, ...]


class _RuleHeader(msgspec.Struct):
    name: str
    id: str = ""
    about: str = ""
    often: str = ""
    severity: str = "medium"
    runbook: str = ""
    destinations: tuple[str, ...] = ()
    enabled: bool = True
    tests: tuple[RuleTest, ...] = ()


def read_rules(text: str) -> list[RuleSpec]:
    """Parses the rules of a file.

    Raises BadRequest (`bad_rules_file`, `bad_rule`, `bad_query`) that names the rule and what to do.
    """
    if len(text) > MOST_BYTES or len(text.encode(errors="replace")) > MOST_BYTES:
        raise _bad(f"A rules file can have at most {MOST_BYTES >> 20} MiB.")
    try:
        given = _load(text)
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise _bad(f"Invalid YAML: {' '.join(str(error).split())[:300]}.") from None
    _refuse_unstorable(given)
    rules = given.get("rules") if isinstance(given, dict) else None
    if not isinstance(rules, list) or len(given) > 1:
        raise _bad("Start the file with `rules:`, followed by a list of rules.")
    if len(rules) > MOST_RULES:
        raise _bad(f"A rules file can have at most {MOST_RULES} rules.")
    specs = [_read(number, fields) for number, fields in enumerate(rules, 1)]
    if sum(event.repeat for spec in specs for test in spec.tests for event in test.events) > MOST_TEST_EVENTS:
        raise _bad(f"The tests of a rules file can have at most {MOST_TEST_EVENTS} events in total.")
    return specs


def write_rules(rules: Sequence[Rule]) -> str:
    """Writes rules as YAML that `read_rules` reads, without their destinations, which mean nothing elsewhere."""
    listed = []
    for rule in rules:
        fields: dict[str, Any] = {"name": rule.name, "severity": rule.severity}
        if rule.runbook:
            fields["runbook"] = rule.runbook
        listed.append(fields | {"enabled": rule.enabled} | msgspec.to_builtins(rule.definition))
    text: str = yaml.safe_dump({"rules": listed}, sort_keys=False, allow_unicode=True, width=110)
    return text


def _read(number: int, given: Any) -> RuleSpec:
    if not isinstance(given, dict) or not all(isinstance(key, str) for key in given):
        raise _bad(f"Rule {number} must be a mapping of names to values.")
    name = str(given.get("name", ""))[:100]
    try:
        about = msgspec.convert({key: given[key] for key in _OWN if key in given}, _RuleHeader)
        definition = parse_definition({key: value for key, value in given.items() if key not in _OWN})
    except msgspec.ValidationError as error:
        raise _bad(f"Rule {number} ({name}): {error}.") from None
    except BadRequest as problem:
        detail = f"Rule {number} ({name}): {problem.detail}"
        raise BadRequest(detail, code=problem.code, **problem.extra) from None
    return RuleSpec(
        about.id,
        about.name,
        " ".join(about.about.split()),
        about.often,
        definition,
        about.severity,
        about.runbook,
        about.destinations,
        about.enabled,
        about.tests,
    )


# libyaml reads megabytes in milliseconds; without it, which is possible where there is no wheel, less is accepted.
_SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
MOST_BYTES = 2 << 20 if yaml.__with_libyaml__ else 1 << 18


class _Loader(_SafeLoader):  # type: ignore[misc]  # PyYAML has no types
    """Resolves plain values as YAML does, but refuses long numbers: reading one takes the square of its length.

    Only the beginning of a long value is resolved: what YAML takes for a number is matched by slow expressions.
    """

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
        if kind is not yaml.ScalarNode or len(value) <= MOST_NUMBER:
            return super().resolve(kind, value, implicit)
        tag = super().resolve(kind, value[:MOST_NUMBER].rstrip(":._+-"), implicit)
        if tag not in _NUMBERS:
            return tag
        if value.strip(_DIGITS):
            return self.DEFAULT_SCALAR_TAG
        raise _bad("A number is too large.")


def _load(text: str) -> Any:
    """The plain values in `text`: no references, no tags, no duplicate names, and bounded in size and depth."""
    nodes = depth = 0
    for event in yaml.parse(text, _Loader):
        if isinstance(event, yaml.AliasEvent):  # a small file could expand to a huge one
            raise _bad("References (*name) are not supported: write the value.")
        if getattr(event, "tag", None) is not None:
            raise _bad(f"Tags are not supported: remove {str(event.tag)[:60]!r}.")
        nodes += isinstance(event, yaml.NodeEvent)
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MOST_DEPTH or nodes > MOST_NODES:
            raise _bad(f"A rules file can have at most {MOST_NODES} values, nested {MOST_DEPTH} deep.")
    loader = _Loader(text)
    root = loader.get_single_node()
    if root is None:
        return None
    _refuse_duplicates(root)
    return loader.construct_document(root)


def _refuse_duplicates(node: Any) -> None:
    """Refuses duplicate names, of which YAML would silently keep the last."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for name, value in node.value:
            if isinstance(name, yaml.ScalarNode):
                if name.value in seen:
                    raise _bad(f"The name {name.value[:60]!r} is repeated in line {name.start_mark.line + 1}.")
                seen.add(name.value)
            _refuse_duplicates(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _refuse_duplicates(value)


def _refuse_unstorable(value: Any) -> None:
    """Refuses numbers and characters that JSON or the database cannot hold."""
    match value:
        case str() if _UNTEXT.search(value):
            raise _bad("Text cannot contain the character U+0000 or a lone surrogate.")
        case int() if abs(value) >= 1 << 53:
            raise _bad("A number is too large.")
        case float() if not math.isfinite(value):
            raise _bad("A number must be finite.")
        case dict():
            for name, item in value.items():
                _refuse_unstorable(name)
                _refuse_unstorable(item)
        case list():
            for item in value:
                _refuse_unstorable(item)


def _bad(detail: str) -> BadRequest:
    return BadRequest(detail, code="bad_rules_file")


@cache
def shipped_detections() -> tuple[RuleSpec, ...]:
    """Returns the detections that come with Tallystick, in the order of their files."""
    folder = files("tallystick.alerts").joinpath("detections")
    texts = sorted((file.name, file.read_text("utf-8")) for file in folder.iterdir() if file.name.endswith(".yaml"))
    return tuple(rule for _, text in texts for rule in read_rules(text))


def find_detection(name: str) -> RuleSpec:
    """Returns the detection of that id; NotFound (`no_such_detection`)."""
    for rule in shipped_detections():
        if rule.id == name:
            return rule
    raise NotFound(f"Detection {name[:60]!r} not found.", code="no_such_detection")
