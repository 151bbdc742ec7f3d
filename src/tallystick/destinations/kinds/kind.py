"""A kind of destination: what each module of this package implements."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import Connection

from tallystick.database.engine import Database
from tallystick.destinations.address_guard import Guard
from tallystick.destinations.context import DestinationContext
from tallystick.destinations.delivery_queue import DeliveryResult
from tallystick.destinations.message import Message
from tallystick.destinations.secrets import DestinationSecrets
from tallystick.errors import BadRequest
from tallystick.query.scope import Scope

ContentT = TypeVar("ContentT")


@dataclass(frozen=True, slots=True)
class SettingField:
    """One setting of a destination, for the API and for the form.

    `is_list`: several values; in the form they are separated by blanks, commas or semicolons. `is_secret`: never
    shown again. `in_form`: offered in the form, not only in the API.
    """

    name: str
    label: str
    description: str
    input_type: str = "text"
    is_list: bool = False
    is_secret: bool = False
    in_form: bool = True


@dataclass(frozen=True, slots=True)
class SettingsCheck:
    """What validating settings may need: who asks, in which transaction, and where connections may go."""

    connection: Connection
    scope: Scope
    guard: Guard


@dataclass(frozen=True, slots=True)
class CheckedSettings:
    """Valid settings, split into what is shown and what is sealed."""

    shown: dict[str, Any]
    secrets: DestinationSecrets


@dataclass(frozen=True, slots=True)
class DeliveryTarget:
    """The destination of one attempt, made at `at` (microseconds).

    `remaining` are the recipients that earlier attempts did not reach; None when there was none.
    """

    org_id: UUID
    settings: Mapping[str, Any]
    secrets: DestinationSecrets
    context: DestinationContext
    database: Database
    at: int
    remaining: tuple[str, ...] | None = None


class DestinationKind(ABC, Generic[ContentT]):
    """One kind of destination. A subclass sets the attributes and implements the abstract methods.

    `ContentT` is the form that `write` gives a message, such as the bytes of a request.
    """

    name: str  # as the API and the database call it
    label: str  # as people read it
    fields: tuple[SettingField, ...]
    signs: bool = False  # whether it has a signing secret, which can be rotated
    by_email: bool = False  # whether it sends through the mail server

    @abstractmethod
    def check(self, request: SettingsCheck, settings: Mapping[str, Any]) -> CheckedSettings:
        """Validates settings, whose names are known already. Raises BadRequest (`bad_destination`), Forbidden."""

    def outside(self, checked: CheckedSettings) -> Set[str]:
        """Identifies the places outside the organization that messages go to: an owner approves them.

        Every place is outside, and other settings are another place: many services tell customers apart by a header.
        """
        secrets = checked.secrets
        return {repr((checked.shown, secrets.url, sorted(secrets.headers.items()), sorted(secrets.values.items())))}

    @abstractmethod
    def describe(self, settings: Mapping[str, Any]) -> str:
        """Where messages go, from the settings that may be shown."""

    @abstractmethod
    def write(self, message: Message) -> ContentT:
        """The message in the form of this kind. What it raises ends the delivery, and concerns no other one."""

    @abstractmethod
    def send(self, target: DeliveryTarget, message: Message, content: ContentT) -> DeliveryResult:
        """Sends the content once. Blocks for less than the claim of a delivery lasts."""

    def test_message(self, name: str, public_id: str, requested_by: str, message_id: str, now: int) -> Message:
        """The message of `Send a test`, to a destination called `name`."""
        return Message(
            id=message_id,
            type="test",
            at=now,
            title="Test",
            severity="info",
            sentence=f"This is a test of the destination {name}, sent by {requested_by}.",
            facts=(("Destination", name),),
            links=(),
            data={"destination": public_id, "name": name},
        )

    @property
    def summary(self) -> str:
        """The settings in one sentence of Markdown, for the API's documentation."""
        fields = "; ".join(f"`{field.name}`, {field.description}" for field in self.fields)
        return f"`{self.name}`: {fields}."


def invalid_settings(detail: str) -> BadRequest:
    """Settings that cannot be used, with advice."""
    return BadRequest(detail, code="bad_destination", field="settings")
