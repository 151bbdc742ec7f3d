"""A log that goes on under another name, since what was signed under the one before is not there any more."""

import secrets

from sqlalchemy import Connection, update

from tallystick.ledger.log import Log, read
from tallystick.ledger.tables import checkpoints, logs


def rename(connection: Connection, log: Log, host: str) -> Log:
    """The log under a new origin, no longer frozen: same tree, same indexes, same keys.

    Checkpoints under the old name are not given out any more; that their sizes had these roots is still held against
    the tree.
    """
    origin_id = secrets.token_hex(16)
    values = {"origin_id": origin_id, "origin": f"{host}/log/{origin_id}", "frozen_reason": None}
    connection.execute(update(logs).where(logs.c.org_id == log.org_id, logs.c.size == log.size).values(values))
    connection.execute(update(checkpoints).where(checkpoints.c.org_id == log.org_id).values(note=None))
    return read(connection, log.org_id)
