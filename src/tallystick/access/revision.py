"""The revision of access: a number that every server looks at twice a second, so that none believes an old cache.

Whatever takes access away raises it: a key that is revoked or ends earlier, a person or membership that is disabled,
removed or gets another role.
"""

import time
from collections.abc import Callable

from sqlalchemy import Connection, insert, select, update

from tallystick.access.tables import access_revisions
from tallystick.database.engine import Database
from tallystick.work.background import Background

LOOK_SECONDS = 0.5
BELIEVED_SECONDS = 0.9
_ONLY = 1


def bump_revision(connection: Connection) -> None:
    """Raise the revision: call it in the transaction that takes access away."""
    raised = update(access_revisions).where(access_revisions.c.id == _ONLY)
    if not connection.execute(raised.values(revision=access_revisions.c.revision + 1)).rowcount:
        connection.execute(insert(access_revisions).values(id=_ONLY, revision=1))


def read_revision(connection: Connection) -> int:
    """The revision; 0 before the first change."""
    return int(connection.execute(select(access_revisions.c.revision)).scalar() or 0)


class RevisionWatch(Background):
    """Looks at the revision twice a second; `listeners` are called, in its thread, when it has changed."""

    def __init__(self, database: Database, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__("access_revision", idle_seconds=LOOK_SECONDS)
        self._database = database
        self._monotonic = monotonic
        self._seen: tuple[int, float] | None = None
        self.listeners: list[Callable[[], None]] = []

    def step(self) -> bool:
        """Look once; there is never more to do."""
        began, before = self._monotonic(), self._seen
        with self._database.read() as connection:
            revision = read_revision(connection)
        self._seen = revision, began
        if before is not None and before[0] != revision:
            for listener in self.listeners:
                listener()
        return False

    def current(self) -> int | None:
        """The revision as it was less than a second ago; None if it is not known: ask the database then."""
        seen = self._seen
        return seen[0] if seen is not None and self._monotonic() - seen[1] < BELIEVED_SECONDS else None
