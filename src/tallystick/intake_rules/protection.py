"""Protected events: which ones an intake rule does not apply to, unless its query names their action."""

import re
from collections.abc import Iterator

from tallystick.events.catalogue import CATALOGUE
from tallystick.query.conditions import And, Condition, Equals, Not, Or, RecordedByTallystick
from tallystick.query.own_records import RESERVED
from tallystick.query.values import split_patterns

SEVERITIES = ("high", "critical")
# Sign-ins and how they are made, and who may do what: people, teams, service accounts.
CATEGORIES = ("authentication", "users")
# Words in the names of actions of other categories that change roles, keys or sign-ins.
_WORDS = frozenset(
    {
        "access", "allowlist", "api", "authorized", "credentials", "impersonation", "key", "member", "mfa", "ownership",
        "passkey", "password", "permission", "role", "scim", "scope", "secret", "session", "sso", "token", "viewer",
    }
)  # fmt: skip
# For actions that the catalogue does not know.
_PATTERNS = ("*role*", "*permission*", "*api_key*", "*password*", "*credential*", "*impersonat*", "*mfa*", "*passkey*")


def _sensitive_actions() -> Iterator[str]:
    for action in CATALOGUE.values():
        is_grave = action.severity in SEVERITIES or action.category in CATEGORIES
        if is_grave or _WORDS & set(re.split(r"[._]", action.action)):
            yield action.action


# By action too: events of earlier versions have no severity, and a sender may give any category.
ACTIONS = tuple(action for action in _sensitive_actions() if not action.startswith(RESERVED))

PROTECTED: Condition = Or(
    (
        Equals("severity", SEVERITIES),
        Equals("status", ("failed",)),
        Equals("category", CATEGORIES),
        Equals("action", (*ACTIONS, *_PATTERNS)),
    )
)
# What no rule applies to, whatever it names.
OWN: Condition = Or((RecordedByTallystick(), Equals("action", (f"{RESERVED}*",))))


def applying(condition: Condition) -> Condition:
    """The condition of a query, restricted to the events that a rule with this query applies to."""
    named = tuple(dict.fromkeys(_exact_actions(condition)))
    open_ones: Condition = Not(PROTECTED)
    if named:
        open_ones = Or((Equals("action", named, wildcards=False), open_ones))
    return And((condition, Not(OWN), open_ones))


def _exact_actions(condition: Condition) -> Iterator[str]:
    """The actions that a query names in full, without a wildcard and outside of exclusions."""
    match condition:
        case Equals("action", patterns, wildcards):
            yield from split_patterns(patterns, wildcards=wildcards)[0]
        case And(conditions) | Or(conditions):
            for one in conditions:
                yield from _exact_actions(one)
        case _:
            return
