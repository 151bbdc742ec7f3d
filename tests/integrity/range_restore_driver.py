"""An installation whose missing events are restored from copies of its own."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import delete
from sqlalchemy import false as sa_false
from sqlalchemy import true as sa_true

from tallystick import clock
from tallystick.backup.create import create_backup
from tallystick.erasure import erasure_list
from tallystick.erasure.redact_events import redact_events
from tallystick.erasure.stages import record_metadata
from tallystick.ids import new_uuid
from tallystick.integrity.range_restore import RestoredLog, restore_range
from tallystick.journal.missing_ranges import read_missing
from tallystick.journal.tables import journal_tail
from tallystick.ledger.bundle import BundleWriter, Selection
from tallystick.ledger.keys import Keyring
from tallystick.ledger.prover import Prover
from tallystick.ledger.signer import Signer
from tallystick.merkle.remains import lost_parts, mask_of
from tallystick.query.conditions import Query
from tallystick.query.scope import Scope
from tallystick.search import scan
from tallystick.search.integrity import differences
from tallystick.secret_keys import SecretKeys
from tallystick.settings import Settings
from tallystick.store.copied_columns import indexes_held
from tests.fixtures.spine import Spine
from tests.integrity.lost_events import COUNT

WHO = mask_of(["who"])
OWN_URL = "chdb:///the-store-itself"


class Place:
    """A spine, and the places of its copies."""

    def __init__(self, spine: Spine, folder: Path, environ: dict[str, str] | None = None) -> None:
        self.spine = spine
        self.folder = folder
        self.settings = Settings.load(
            {"TALLYSTICK_DATA_DIR": str(folder), "TALLYSTICK_EVENTS_URL": OWN_URL, "TALLYSTICK_SECRET_KEY": "K" * 40}
            | (environ or {})
        )
        keyring = Keyring(SecretKeys("K" * 40), "log.example")
        self.prover = Prover(spine.database, Signer(spine.database, keyring, folder))

    def backup(self, *, tail: bool = False) -> str:
        """A new backup; without the journal's tail, which would hold the events as well."""
        with self.spine.database.write() as connection:
            connection.execute(delete(journal_tail).where(sa_false() if tail else sa_true()))
        target = self.folder / f"backup-{new_uuid(clock.now_us())}"
        create_backup(self.spine.database, self.spine.store, target, new_uuid(clock.now_us()), lambda _done, _all: None)
        return str(target)

    def bundle(self, scope: Scope, query: Query | None = None, name: str = "kept.zip") -> str:
        end = self.spine.size(scope.org_id)
        database, store = self.spine.database, self.spine.store
        with (self.folder / name).open("wb") as file:
            BundleWriter(database, self.prover).write(
                file, scope, Selection(0, end) if query is None else Selection(),
                scan.in_order_of_index(database, store, scope, query or Query(), 0, end),
                scan.explanatory_records(database, store, scope, end),
            )  # fmt: skip
        return str(self.folder / name)

    def restore(self, source: str, **options: Any) -> list[RestoredLog]:
        nobody: Callable[[int, int], None] = lambda _done, _all: None  # noqa: E731
        spine = self.spine
        return restore_range(spine.database, spine.store, self.settings, source, nobody, **options)

    def erase(self, scope: Scope, indexes: Sequence[int], *, listed: bool = True) -> None:
        """Record and carry out the erasure of who did these events."""
        text = ",".join(map(str, indexes))
        said = record_metadata(text, len(indexes), WHO, "asked", "ers_1", ("ann", "bob", ""))
        system = {"type": "system", "id": "tallystick", "name": "Tallystick"}
        event = {"action": "audit_log.subject_erased", "actor": system, "metadata": said}
        self.spine.record_own(scope, event)
        self.spine.ship()
        line = erasure_list.line_of(self.spine.database, scope.org_id, "ers_1", WHO, text)
        assert line is not None
        erasure_list.append(self.folder, [line] if listed else [])
        redact_events(self.spine.database, self.spine.store, scope.org_id, {WHO: list(indexes)})

    def missing(self, scope: Scope) -> list[tuple[int, int]]:
        with self.spine.database.read() as connection:
            return [(one.first, one.last) for one in read_missing(connection, scope.org_id)]

    def is_whole(self, scope: Scope, end: int = COUNT) -> bool:
        held = [index for index in self.spine.indexes(scope.org_id) if index < end]
        whole = not list(differences(self.spine.database, self.spine.store, scope, 0, end))
        return held == list(range(end)) and whole and self.missing(scope) == []

    def parts_lost(self, scope: Scope) -> dict[int, tuple[str, ...]]:
        held = indexes_held(self.spine.store, scope, 0, 1000)
        return {index: lost_parts(remains) for index, remains in held.items() if remains}
