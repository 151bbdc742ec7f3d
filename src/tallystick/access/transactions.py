"""Database transactions on behalf of one authorized request, from the API or from a page."""

from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypedDict, TypeVar

from sqlalchemy import Connection

from tallystick.access.audit import Caller
from tallystick.clock import now_us
from tallystick.database.engine import Database
from tallystick.query.scope import Scope
from tallystick.work.fair_thread_pool import FairThreadPool
from tallystick.work.request_pools import RequestPools

P = ParamSpec("P")
T = TypeVar("T")


class AuditContext(TypedDict):
    """The keyword arguments of every function that changes something: when, and where the request came from."""

    now: int
    caller: Caller


class ScopedTransactions:
    """Runs functions in transactions of the control database, under the scope of one request.

    Each waits for its turn in a pool of threads; raises TooMany and Unavailable as FairLimiter does. `wake_recorder` is
    called after each change, so that its audit event is recorded without delay.
    """

    def __init__(
        self, database: Database, pools: RequestPools, scope: Scope, caller: Caller, wake_recorder: Callable[[], None]
    ) -> None:
        self.database = database
        self.pools = pools
        self.scope = scope
        self.caller = caller
        self._wake_recorder = wake_recorder

    @property
    def context(self) -> AuditContext:
        """Time and origin of a change that begins now."""
        return {"now": now_us(), "caller": self.caller}

    async def read(
        self, function: Callable[Concatenate[Connection, Scope, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """The result of `function(connection, scope, …)` in a read-only transaction."""

        def work() -> T:
            with self.database.read() as connection:
                return function(connection, self.scope, *args, **kwargs)

        return await self.pools.short.run(self.scope, work)

    async def write(
        self, function: Callable[Concatenate[Connection, Scope, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """The result of `function(connection, scope, …)` in a transaction that is committed if it returns.

        Functions that are audited also take `now` and `caller`: pass `**request.context`. `now` is taken anew when the
        transaction has begun, so that times and ids follow the order of the commits.
        """

        def work() -> T:
            with self.database.write() as connection:
                if "now" in kwargs:
                    kwargs["now"] = now_us()
                return function(connection, self.scope, *args, **kwargs)

        return await self.run(self.pools.short, work)

    async def run(self, pool: FairThreadPool, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """The result of a function that opens its own transactions and changes something, in a thread of `pool`."""
        result = await pool.run(self.scope, function, *args, **kwargs)
        self._wake_recorder()
        return result
