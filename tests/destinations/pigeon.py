"""A made-up kind of destination: messages are files in a loft. Run as a program, the server that knows it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tallystick.cli.app import main
from tallystick.destinations.delivery_queue import DeliveryResult
from tallystick.destinations.kinds.kind import (
    CheckedSettings,
    DeliveryTarget,
    DestinationKind,
    SettingField,
    SettingsCheck,
    invalid_settings,
)
from tallystick.destinations.kinds.registry import KINDS
from tallystick.destinations.message import Message
from tallystick.destinations.secrets import DestinationSecrets


class PigeonKind(DestinationKind[str]):
    """Carrier pigeons; each wears a ring that nobody else may know."""

    name = "pigeon"
    label = "Carrier pigeon"
    fields = (
        SettingField("loft", "Loft", "the directory where pigeons land"),
        SettingField("ring", "Ring", "the number on their ring", is_secret=True),
    )

    def check(self, request: SettingsCheck, settings: Mapping[str, Any]) -> CheckedSettings:
        if not settings.get("loft") or not settings.get("ring"):
            raise invalid_settings("loft and ring are needed.")
        secrets = DestinationSecrets(values={"ring": settings["ring"]})
        return CheckedSettings({"loft": settings["loft"]}, secrets)

    def describe(self, settings: Mapping[str, Any]) -> str:
        return f"flies to {settings['loft']}"

    def write(self, message: Message) -> str:
        return message.sentence

    def send(self, target: DeliveryTarget, message: Message, content: str) -> DeliveryResult:
        letter = Path(target.settings["loft"]) / message.id
        letter.write_text(f"{target.secrets.values['ring']}: {content}")
        return DeliveryResult()


if __name__ == "__main__":
    KINDS.append(PigeonKind())
    main()
