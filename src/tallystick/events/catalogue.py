"""The catalogue: the known actions, each with category, default status, severity and a sentence."""

from collections import Counter
from importlib.resources import files
from typing import Literal, get_args

import msgspec

Category = Literal[
    "authentication", "users", "projects", "deployments", "integrations", "policies", "workflows", "settings", "other"
]  # fmt: skip
Status = Literal["success", "failed"]
Severity = Literal["info", "low", "medium", "high", "critical"]

CATEGORIES: tuple[Category, ...] = get_args(Category)
STATUSES: tuple[Status, ...] = get_args(Status)
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
# The words of earlier versions for severities, accepted wherever one is given.
EARLIER_SEVERITIES: dict[str, Severity] = {"notice": "low", "warning": "medium"}
# As Tallystick itself records them; a sender's event of the same name is one like others.
LASTING = (
    "audit_log.pruned", "audit_log.subject_erased", "audit_log.retention_changed", "audit_log.log_restarted",
    "audit_log.events_lost", "organization.created",
)  # fmt: skip


class Action(msgspec.Struct, frozen=True, gc=False):
    """One line of catalogue.tsv; `sentence` is the template of `summary`."""

    action: str
    category: Category
    status: Status
    severity: Severity
    origin: str
    sentence: str


def _load() -> dict[str, Action]:
    text = files("tallystick.events").joinpath("catalogue.tsv").read_text(encoding="utf-8")
    rows = [line.split("\t") for line in text.splitlines()[1:]]
    return {row[0]: msgspec.convert(row, _Row).action() for row in rows}


class _Row(msgspec.Struct, array_like=True):
    name: str
    category: Category
    status: Status
    severity: Severity
    origin: str
    sentence: str

    def action(self) -> Action:
        return Action(self.name, self.category, self.status, self.severity, self.origin, self.sentence)


def _noun_categories() -> dict[str, Category]:
    """Where a category is named for a noun it wins: `user` is users, although most of its actions are sign-ins."""
    found: dict[str, Counter[Category]] = {}
    for action in CATALOGUE.values():
        found.setdefault(action.action.partition(".")[0], Counter())[action.category] += 1
    nouns = {noun: counts.most_common(1)[0][0] for noun, counts in found.items()}
    return nouns | {noun: named for noun in nouns for named in CATEGORIES if named == noun + "s"}


CATALOGUE: dict[str, Action] = _load()


_NOUNS = _noun_categories()


def category_of(action: str) -> Category:
    """The category of an action: of the catalogue, else of the longest known beginning, else `other`.

    Beginnings end at a word's end: `user.login_throttled` goes with `user.login`, `project.frobbed` with projects.
    """
    beginning = action
    while beginning:
        if known := CATALOGUE.get(beginning):
            return known.category
        if beginning in _NOUNS:
            return _NOUNS[beginning]
        beginning = beginning[: max(beginning.rfind("."), beginning.rfind("_"), 0)]
    return "other"


def status_of(action: str) -> Status:
    """The status of an event of this action that gives none."""
    known = CATALOGUE.get(action)
    return known.status if known else "success"


def severity_of(action: str) -> Severity:
    """The severity of an action; `info` for unknown ones."""
    known = CATALOGUE.get(action)
    return known.severity if known else "info"
