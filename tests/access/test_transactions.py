"""Transactions of an authorized request."""

import anyio

from tallystick.access import transactions
from tallystick.access.audit import NOWHERE
from tallystick.access.scopes import operator_scope
from tallystick.access.transactions import ScopedTransactions
from tallystick.ids import new_uuid
from tallystick.work.request_pools import RequestPools


def test_the_time_of_a_change_is_taken_in_its_transaction(sqlite_database, monkeypatch):
    """So that times and ids follow the order of the commits, however long a change waited for the lock."""
    times = iter([1_000_000, 2_000_000])
    monkeypatch.setattr(transactions, "now_us", lambda: next(times))
    woken = []
    request = ScopedTransactions(
        sqlite_database, RequestPools(2), operator_scope(new_uuid(0)), NOWHERE, lambda: woken.append(True)
    )

    async def change():
        return await request.write(lambda _connection, _scope, *, now, caller: (now, caller), **request.context)

    assert anyio.run(change) == (2_000_000, NOWHERE)
    assert woken == [True]
