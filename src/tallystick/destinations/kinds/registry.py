"""The registry of kinds. To add one, write its module in this package and list it here."""

from typing import Any

from tallystick.destinations.kinds.email import EmailKind
from tallystick.destinations.kinds.kind import DestinationKind
from tallystick.destinations.kinds.slack import SlackKind
from tallystick.destinations.kinds.webhook import WebhookKind

KINDS: list[DestinationKind[Any]] = [
    WebhookKind(),
    SlackKind(),
    EmailKind(),
]


def find_kind(name: str) -> DestinationKind[Any] | None:
    """The kind of this name; None when there is no such kind."""
    return next((kind for kind in KINDS if kind.name == name), None)


def kind_of(name: str) -> DestinationKind[Any]:
    """The kind of a stored destination."""
    kind = find_kind(name)
    if kind is None:
        raise LookupError(f"no destination kind {name}")
    return kind


def kind_names() -> list[str]:
    """The names of all kinds, in the order in which they are offered."""
    return [kind.name for kind in KINDS]
