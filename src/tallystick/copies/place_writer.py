"""Who writes the copies in a place: one installation, and of it one control database at a time.

A restored installation has the event store's id of the lost one, and so has a disk that was cloned. If two of them
wrote to one place, each would take the other's files for its own. So the file OWNER has, beside that id, a token that
its writer replaces by a new one every few rounds, and keeps in its control database first. Whoever finds another token
than it knows is not the only one:

- A control database that never wrote here (it was restored) waits until the token has stayed the same for three
  times as long as it may, and goes on then.
- One that wrote here before stops for good. Which of the two is right, only the operator knows.
"""

import io
import time
from dataclasses import dataclass
from uuid import UUID, uuid4

import structlog
from sqlalchemy import select

from tallystick import telemetry
from tallystick.copies import progress
from tallystick.copies.copies_until import forget_place, leave_place
from tallystick.copies.progress import CopyState
from tallystick.database.engine import Database
from tallystick.database.migrate import is_new
from tallystick.destinations.address_guard import TargetError
from tallystick.destinations.file_storage import FileMissing, FileStorage, read_small
from tallystick.destinations.storage_settings import copies_storage
from tallystick.errors import SettingsError
from tallystick.ingest.store_identity import refuse_lost_database
from tallystick.ingest.tables import store_identity
from tallystick.settings import Settings

OWNER = "tallystick-copies"
_LARGEST = 4096
logger = structlog.get_logger(__name__)


class OtherWriter(TargetError):
    """Another server of the same installation writes the copies in this place."""


@dataclass(frozen=True, slots=True)
class PlaceOwner:
    """The content of the file: the event store's id; the token, and after how many seconds there is a new one.

    Each empty, or 0, if it is not known.
    """

    store_id: str
    token: str = ""
    seconds: float = 0.0

    def encode(self) -> bytes:
        return f"{self.store_id}\n{self.token} {self.seconds}\n".encode()


def read_owner(storage: FileStorage) -> PlaceOwner | None:
    """Whose copies are in the place; None if it has no such file. TargetError."""
    try:
        lines = read_small(storage, OWNER, _LARGEST).decode("utf-8", errors="replace").split("\n")
    except FileMissing:
        return None
    token, _, seconds = (lines[1] if len(lines) > 1 else "").strip().partition(" ")
    try:
        return PlaceOwner(lines[0].strip(), token, float(seconds or 0))
    except ValueError:
        return PlaceOwner(lines[0].strip(), token)


def refuse_lost_data(settings: Settings) -> None:
    """Raise SettingsError if a data directory in use has lost its control database, or all of an installation is lost.

    All may be lost if the control database is new and the place of copies has those of an installation: a server whose
    disk was lost would begin a new one, which would be taken for the old one.
    """
    refuse_lost_database(settings.database_url, settings.data_dir)
    storage = copies_storage(settings)
    if storage is None or not is_new(settings.database_url):
        return
    try:
        owner = read_owner(storage)
    except TargetError as error:
        raise SettingsError(
            f"The control database is new, and whether {storage.where} has the copies of a lost one cannot be seen: "
            f"{error.detail} Start the server when TALLYSTICK_COPIES_DIR can be read, or without it."
        ) from None
    if owner is not None and owner.store_id:
        raise SettingsError(
            f"The control database is new, but {storage.where} has the copies of an installation. If its disk was "
            "lost, bring it back: tallystick restore. If its disk is not mounted, or the settings name other "
            "databases, mend that. To begin a new installation, set TALLYSTICK_COPIES_DIR to a place of its own."
        )


class PlaceWriter:
    """Holds the place for this control database, whichever of its nodes makes the copies."""

    def __init__(self, database: Database, storage: FileStorage, *, seconds: float, kept_us: int) -> None:
        """`seconds` between two tokens; `kept_us`: for how long copies may hold what was erased."""
        self._kept_us = kept_us
        self._database = database
        self._storage = storage
        self._seconds = seconds
        self._renewed_at = float("-inf")  # `time.monotonic()`
        self._seen = ""  # the token of another writer
        self._seen_at = 0.0  # `time.monotonic()`

    def may_write(self, *, may_claim: bool, now: int) -> bool:
        """Whether copies can be written here; False until the event store was accepted, or another node has claimed it.

        `may_claim`: whether this node makes the copies; it renews the token. Raises OtherWriter, and TargetError if
        the place has copies of another installation or is not the one that was used before.
        """
        with self._database.read() as connection:
            store_id = connection.execute(select(store_identity.c.store_id)).scalar()
        if store_id is None:
            return False
        try:
            is_ours = self._compare(store_id)
        except OtherWriter:
            telemetry.copies_other_writer.set(1)
            raise
        telemetry.copies_other_writer.set(0)
        if may_claim and (not is_ours or time.monotonic() - self._renewed_at >= self._seconds):
            self._renew(store_id, now)
            return True
        return is_ours

    def _compare(self, store_id: UUID) -> bool:
        """Whether the token is that of this control database; False if the place can be claimed."""
        owner, state = read_owner(self._storage), self._state()
        if owner is None:
            if state is not None and (state.token or state.generation):
                raise TargetError(
                    f"{self._storage.where} is not the place of the copies before: it has no file {OWNER}. Check that "
                    "the disk is mounted and the bucket is the same. If its files were removed on purpose, create an "
                    "empty file of that name."
                )
            return False
        if owner.store_id not in ("", str(store_id)):
            raise TargetError(
                f"{self._storage.where} has copies of another installation. If this data directory is new because that "
                "one was lost, stop the server and bring it back: tallystick restore --replace. Otherwise set "
                "TALLYSTICK_COPIES_DIR to a place of its own."
            )
        if not owner.store_id or not owner.token:
            return False
        if _knows(state, owner):
            return True
        # Another node may have renewed it between the two questions.
        owner, state = read_owner(self._storage) or owner, self._state()
        if _knows(state, owner):
            return True
        if state is not None and state.token:
            raise OtherWriter(
                f"Another server with the same event store id makes its copies in {self._storage.where}: this "
                "installation was restored or cloned. Stop the one that is not needed, or give it a place of its own. "
                f"If this server is to go on here, replace the file {OWNER} there by an empty one."
            )
        self._watch(owner)
        return False

    def _watch(self, owner: PlaceOwner) -> None:
        """Raise OtherWriter unless the token has stayed the same for long enough."""
        now, seconds = time.monotonic(), 3 * (owner.seconds or self._seconds)
        is_new = owner.token != self._seen
        was_seen = self._seen != ""
        if is_new:
            self._seen, self._seen_at = owner.token, now
        if not is_new and now - self._seen_at >= seconds:
            return
        if is_new and was_seen:
            raise OtherWriter(
                f"Another server with the same event store id makes its copies in {self._storage.where}. Set "
                "TALLYSTICK_COPIES_DIR of this one to a place of its own, or stop the other."
            )
        raise OtherWriter(
            f"Another server with the same event store id made its copies in {self._storage.where}. This one goes on "
            f"there when the other has written nothing for {seconds:.0f} seconds."
        )

    def _state(self) -> CopyState | None:
        with self._database.read() as connection:
            state = progress.read_state(connection)
        return state if state is not None and state.place == self._storage.where else None

    def _renew(self, store_id: UUID, now: int) -> None:
        """Write a new token, into the control database first: whichever of the two a crash leaves is known."""
        token = uuid4().hex
        with self._database.write() as connection:
            state = progress.read_state(connection)
            if state is None or state.place != self._storage.where:
                if state is not None and state.generation:
                    leave_place(connection, state.place, now)
                forget_place(connection, self._storage.where, now, self._kept_us)
                progress.begin_copies(connection, self._storage.where, now=now)
            progress.note_token(connection, token, writer=token[:8])
        self._storage.put(OWNER, io.BytesIO(PlaceOwner(str(store_id), token, self._seconds).encode()))
        self._renewed_at = time.monotonic()


def _knows(state: CopyState | None, owner: PlaceOwner) -> bool:
    return state is not None and owner.token in (state.token, state.token_before)
