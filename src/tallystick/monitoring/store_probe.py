"""The probe of the event store."""

from tallystick import telemetry
from tallystick.monitoring.probe import Probe
from tallystick.store import erasing
from tallystick.store.events import EventStore


class StoreProbe(Probe):
    """Asks whether the event store answers, and whether it carries out changes."""

    def __init__(self, store: EventStore) -> None:
        super().__init__("store_probe")
        self._store = store

    def ask(self) -> None:
        self._store.ping()
        telemetry.store_changes_failing.set(bool(erasing.failure_of_changes(self._store)))
