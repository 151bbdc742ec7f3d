"""The form of a new destination: one input for each setting that some kind of destination has."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tallystick.destinations.kinds.kind import SettingField
from tallystick.destinations.kinds.registry import KINDS, find_kind


@dataclass(frozen=True, slots=True)
class DestinationInputField:
    """One input; `kinds` are the labels of the kinds that use it, `value` is what was typed."""

    name: str
    label: str
    kinds: tuple[str, ...]
    input_type: str
    value: str


def kind_choices() -> list[tuple[str, str]]:
    """The kinds to choose from: name and label."""
    return [(kind.name, kind.label) for kind in KINDS]


def input_names() -> list[str]:
    """The names of all inputs of the form."""
    return ["kind", "name", *_fields()]


def input_fields(typed: Mapping[str, str]) -> list[DestinationInputField]:
    """The inputs for settings, filled with what was typed, but for secrets."""
    return [
        DestinationInputField(
            name=name,
            label=field.label,
            kinds=tuple(kind.label for kind in KINDS if any(one.name == name for one in kind.fields)),
            input_type=field.input_type,
            value="" if field.is_secret else typed.get(name, ""),
        )
        for name, field in _fields().items()
    ]


def settings_of(typed: Mapping[str, str]) -> dict[str, Any]:
    """The settings of the chosen kind, as the API takes them; none for an unknown kind."""
    kind = find_kind(typed["kind"])
    fields = () if kind is None else kind.fields
    return {field.name: _value(field, typed[field.name]) for field in fields if field.in_form}


def _fields() -> dict[str, SettingField]:
    """The settings of all kinds by name; kinds may share one."""
    found: dict[str, SettingField] = {}
    for kind in KINDS:
        for field in kind.fields:
            if field.in_form:
                found.setdefault(field.name, field)
    return found


def _value(field: SettingField, text: str) -> str | list[str]:
    return text.replace(",", " ").replace(";", " ").split() if field.is_list else text
