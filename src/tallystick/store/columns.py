"""A few columns of many events as Arrow tables, for analyses that read a whole period and show no event."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tallystick.query.conditions import Query
from tallystick.query.scope import Scope
from tallystick.store.bounds import compile_bounded
from tallystick.store.events import EventStore

_JOINED = "arrayStringConcat(arrayFilter(name -> name != '', [{names}]), '\\0')"
_USER = (
    "multiIf(actor_type = 'system', '', actor_email != '' OR actor_id != '', "
    + _JOINED.format(names="actor_email, actor_id")
    + ", actor_type = 'anonymous', '', actor_name)"
)
_USER_SHOWN = "multiIf(actor_email != '', actor_email, actor_name != '', actor_name, actor_id)"
_RESOURCE = (
    "if(resource_type = 'user' AND resource_id != '' AND position(resource_name, '@') = 0, resource_id, "
    + _JOINED.format(names="resource_name, resource_id")
    + ")"
)
_RESOURCE_SHOWN = "if(resource_name != '', resource_name, resource_id)"
# How people call an event's user, resource …, and all names by which it is known, NUL between; "" where it has none.
NAMES = {
    "user": f"if({_USER} = '', '', concat({_USER_SHOWN}, '\\0', {_USER}))",
    "resource": f"if({_RESOURCE} = '', '', concat({_RESOURCE_SHOWN}, '\\0', {_RESOURCE}))",
    "ip": "if(ip_address = '', '', concat(ip_address, '\\0', ip_address))",
    "action": "concat(action, '\\0', action)",
    "session": "if(session_id = '', '', concat(session_id, '\\0', session_id))",
}


def read_columns(
    store: EventStore, scope: Scope, query: Query, names: Sequence[str], *, end: int, limit: int
) -> pa.Table:
    """The first `limit` matches with index < `end`, ordered by index.

    Columns: seq, at and received_at (microseconds), id (see `ids_of`), and n0, n1, … for `names` of NAMES, as
    dictionaries.
    """
    bound = compile_bounded(scope, query)
    columns = ", ".join(f"toLowCardinality({NAMES[name]}) AS n{place}" for place, name in enumerate(names))
    statement = (
        "SELECT seq, toUnixTimestamp64Micro(occurred_at) AS at, toUnixTimestamp64Micro(received_at) AS received_at, "
        f"reinterpretAsFixedString(id) AS id{', ' if columns else ''}{columns} FROM events "
        f"WHERE {bound.where} AND seq < {{end:UInt64}} ORDER BY seq LIMIT {{limit:UInt64}}"
    )
    return store.table(statement, bound.parameters | {"end": end, "limit": limit})


def ids_of(column: pa.ChunkedArray) -> npt.NDArray[np.void]:
    """A column of ids as 16-byte values. The store keeps each half in little-endian byte order."""
    halves = [
        np.frombuffer(chunk.buffers()[1], dtype=np.uint64)[2 * chunk.offset : 2 * (chunk.offset + len(chunk))]
        for chunk in column.chunks
    ]
    whole = np.concatenate(halves) if halves else np.zeros(0, dtype=np.uint64)
    return whole.byteswap().view("V16")
