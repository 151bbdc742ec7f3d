"""A trail with an archive, whose files are looked into."""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pyarrow.parquet as pq

from tallystick.destinations.file_storage import Checksum, FileStorage
from tallystick.erasure.deletions import is_erasing
from tallystick.erasure.eraser import Eraser
from tallystick.erasure.personal_data import personal_data
from tallystick.ledger.keys import Keyring
from tallystick.ledger.prover import Prover
from tallystick.ledger.signer import Signer
from tallystick.query.scope import Scope
from tallystick.retention.archive import Archive
from tallystick.retention.archive_erasure import ArchiveEraser
from tallystick.retention.purge import Purger
from tallystick.secret_keys import SecretKeys
from tallystick.verify.bundle import check_bundle
from tallystick.verify.notes import Key
from tallystick.verify.report import Report
from tallystick.work import leases
from tests.fixtures.spine import Spine
from tests.retention.purge_driver import purge_with
from tests.retention.test_purge import event as aged
from tests.verify.evidence import SECRET

NEEDLES = (b"sarah@acme.com", b"Sarah Lin", b"Sarah@acme.com")


class Kept:
    """A trail with an archive, driven step by step."""

    def __init__(self, spine: Spine, folder: Path, objects: FileStorage) -> None:
        self.spine, self.folder, self.objects = spine, folder, objects
        signer = Signer(spine.database, Keyring(SecretKeys(SECRET), "audit.example.com"), folder)
        signer.open()
        self.prover = Prover(spine.database, signer)
        self.archive = Archive(objects, folder, spine.database, spine.store, self.prover)
        self.purger = Purger(spine.database, spine.store, archive=self.archive, is_erasing=is_erasing)
        self.eraser = self.new_eraser()

    def new_eraser(self, *, archived: bool = True) -> Eraser:
        """As a restarted server has it."""
        self.spine.shipper.close()  # as that of the earlier process
        with self.spine.database.write() as connection:
            leases.forget_all(connection)
        made = Eraser(
            self.spine.database,
            self.spine.store,
            self.folder,
            personal_data(self.spine.database, self.folder),
            ArchiveEraser(self.archive) if archived else None,
        )
        made.replay_at_start()
        return made

    def organization(self, slug: str = "acme") -> Scope:
        return self.spine.organization(slug, days=30)

    def expire(self, scope: Scope, *sent: dict[str, object], later: int = 0) -> list[int]:
        """Record these as events of long ago, and let them go to the archive; their indexes."""
        answer = self.spine.record(scope, *(aged(31, **one) for one in sent))
        self.spine.ship()
        self.purge(later=later)
        return [one.index for one in answer.events]

    def purge(self, *, later: int = 0) -> None:
        purge_with(self.spine, self.purger, later=later)

    def content(self, key: str) -> bytes:
        file = io.BytesIO()
        self.objects.get(key, file)
        return file.getvalue()

    def keys(self, ending: str) -> list[str]:
        return [key for key in self.objects.keys("org_") if key.endswith(ending)]

    def holding(self, *needles: bytes) -> list[str]:
        """The archived files in which one of the texts stands, unpacked and by column."""
        return sorted({key for key in self.objects.keys("") for text in unpacked(key, self.content(key))
                       if any(needle.lower() in text.lower() for needle in needles)})  # fmt: skip

    def check(self, scope: Scope, key: str) -> Report:
        report = Report(key)
        keys = [Key.read(line) for line in self.prover.vkeys(scope)]
        check_bundle(io.BytesIO(self.content(key)), keys, report)
        return report

    def lines(self) -> dict[int, dict[str, object]]:
        """Every archived event by its index, as its bundle has it."""
        found: dict[int, dict[str, object]] = {}
        for key in self.keys("zip"):
            with zipfile.ZipFile(io.BytesIO(self.content(key))) as bundle:
                for line in bundle.read("events.ndjson").splitlines():
                    one = msgspec.json.decode(line, type=dict[str, object])
                    found[int(str(one["index"]))] = one
        return found


def unpacked(key: str, raw: bytes) -> Iterator[bytes]:
    yield raw
    if key.endswith("zip"):
        with zipfile.ZipFile(io.BytesIO(raw)) as bundle:
            yield from (bundle.read(name) for name in bundle.namelist())
    if key.endswith("parquet"):
        table = pq.read_table(io.BytesIO(raw))
        yield from (repr(table[name].to_pylist()).encode() for name in table.column_names)


class Cut(Exception):
    """The power is gone."""


class Dying:
    """The same place, whose power is cut before its n-th change."""

    def __init__(self, real: FileStorage, number: int) -> None:
        self._real, self._left = real, number
        self.where = real.where

    def put(self, key: str, file: io.BytesIO) -> Checksum:
        self._count()
        return self._real.put(key, file)

    def delete(self, key: str) -> None:
        self._count()
        self._real.delete(key)

    def delete_earlier_versions(self, key: str) -> None:
        self._count()
        self._real.delete_earlier_versions(key)

    def __getattr__(self, name: str) -> object:
        return getattr(self._real, name)

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise Cut
