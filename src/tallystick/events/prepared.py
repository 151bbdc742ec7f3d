"""An event that passed intake, on its way to the commit."""

import msgspec

from tallystick.events.record import Record
from tallystick.events.schema_check import SchemaWarning

_record = msgspec.msgpack.Decoder(Record).decode


class Prepared(msgspec.Struct, frozen=True, gc=False):
    """A valid event, ready to be given an index.

    Its record is kept as bytes: as an object it would be four times as large while it waits for the commit.
    """

    id: bytes  # as all up to `frame`: copies of fields of the record
    received_at: int
    occurred_at: int
    entry: bytes
    frame: bytes  # the record in MessagePack
    external_id: str  # "" if none
    digest: bytes  # SHA-256 of the redacted input, the same however it was written; b"" without external_id
    clock_skew: bool  # its timestamp was ahead of our clock
    timestamp: str  # when it occurred, as the API writes times
    schema_warnings: tuple[SchemaWarning, ...] = ()  # where it does not fit the schema of its action

    @property
    def record(self) -> Record:
        """The record, decoded from the frame."""
        return _record(self.frame)
