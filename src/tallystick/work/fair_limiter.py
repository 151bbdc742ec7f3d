"""Limits how much work runs at once, with a share for each organization and each key or person."""

from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

import anyio

from tallystick.errors import TooMany, Unavailable
from tallystick.query.scope import Scope


@dataclass(frozen=True, slots=True)
class Shares:
    """How many places there are, and how many of them one organization and one principal may hold at once.

    Whoever finds no place waits at most `seconds`. At most `waiting` requests of one organization wait, half of them of
    one principal, and `WAITING_FACTOR` times as many in all.
    """

    places: int
    of_organization: int
    of_principal: int
    waiting: int = 100
    seconds: float = 10.0

    @classmethod
    def of(cls, places: int, *, waiting: int = 100, seconds: float = 10.0) -> "Shares":
        """Shares that leave a place to other organizations and, from three places on, one to other principals."""
        organization = max(1, places - 1)
        return cls(places, organization, max(1, organization - 1), waiting, seconds)


WAITING_FACTOR = 5


@dataclass(eq=False, slots=True)
class _Waiter:
    """A request that waits for a place."""

    org_id: UUID
    principal: tuple[UUID, str]
    admitted: anyio.Event = field(default_factory=anyio.Event)


class FairLimiter:
    """Lends places to requests. Waiting ones get them in turn by organization. Used on the event loop only.

    `work` says in the plural what is limited, for the errors: "searches".
    """

    def __init__(self, shares: Shares, work: str, *, busy: str = "server_busy") -> None:
        """`busy` is the error code when the whole server is."""
        self._shares = shares
        self._work = work
        self._busy = busy
        self._free = shares.places
        self._held: Counter[UUID | tuple[UUID, str]] = Counter()  # by organization and by principal
        self._waiting: dict[UUID, deque[_Waiter]] = {}  # in the order of the organizations' turns

    @property
    def places(self) -> int:
        """How many places there are."""
        return self._shares.places

    @property
    def in_use(self) -> int:
        """How many places are in use."""
        return self._shares.places - self._free

    @asynccontextmanager
    async def place(self, scope: Scope) -> AsyncIterator[None]:
        """Hold a place during the block; waits for it.

        Raises TooMany if the organization or the principal has too much running and waiting, Unavailable if all
        others together have. A request that is cancelled leaves the queue at once.
        """
        waiter = await self._enter(scope)
        try:
            yield
        finally:
            self._leave(waiter)

    async def take(self, scope: Scope) -> "Place":
        """As `place`, for work that ends elsewhere: call `release` on the result."""
        return Place(self, await self._enter(scope))

    async def _enter(self, scope: Scope) -> _Waiter:
        waiter = _Waiter(scope.org_id, (scope.org_id, scope.principal.id))
        # Whoever waits could not be admitted when a place became free last: a newcomer overtakes nobody who could be.
        if self._may_enter(waiter):
            self._admit(waiter)
            return waiter
        self._refuse_where_full(waiter)
        self._waiting.setdefault(waiter.org_id, deque()).append(waiter)
        try:
            with anyio.move_on_after(self._shares.seconds):
                await waiter.admitted.wait()
        except BaseException:
            self._leave(waiter)
            raise
        if not waiter.admitted.is_set():
            self._leave(waiter)
            raise self._refusal(waiter)
        return waiter

    def _may_enter(self, waiter: _Waiter) -> bool:
        return (
            self._free > 0
            and self._held[waiter.org_id] < self._shares.of_organization
            and self._held[waiter.principal] < self._shares.of_principal
        )

    def _admit(self, waiter: _Waiter) -> None:
        self._free -= 1
        self._held[waiter.org_id] += 1
        self._held[waiter.principal] += 1
        waiter.admitted.set()

    def _leave(self, waiter: _Waiter) -> None:
        """Give the place back, or give up waiting for one; then admit who waits."""
        if waiter.admitted.is_set():
            self._free += 1
            self._held -= Counter((waiter.org_id, waiter.principal))
            self._admit_waiting()
        else:
            self._remove(waiter)

    def _admit_waiting(self) -> None:
        admitted = True
        while self._free and admitted:
            admitted = False
            for org_id in list(self._waiting):
                waiter = next(filter(self._may_enter, self._waiting[org_id]), None)
                if waiter is None:
                    continue
                self._remove(waiter)
                if org_id in self._waiting:  # its turn is over: it goes to the end
                    self._waiting[org_id] = self._waiting.pop(org_id)
                self._admit(waiter)
                admitted = True

    def _remove(self, waiter: _Waiter) -> None:
        queue = self._waiting[waiter.org_id]
        queue.remove(waiter)
        if not queue:
            del self._waiting[waiter.org_id]

    def _refuse_where_full(self, waiter: _Waiter) -> None:
        most = self._shares.waiting
        queue = self._waiting.get(waiter.org_id, ())
        of_principal = sum(one.principal == waiter.principal for one in queue)
        in_all = sum(map(len, self._waiting.values()))
        if len(queue) >= most or of_principal >= most // 2 or in_all >= most * WAITING_FACTOR:
            raise self._refusal(waiter)

    def _refusal(self, waiter: _Waiter) -> TooMany | Unavailable:
        """The error of a request that gets no place: its own share is in use, or the whole server is."""
        if self._held[waiter.org_id]:
            return TooMany(
                f"Too many {self._work} of your organization are running or waiting. Wait until some have finished.",
                code="too_many_requests",
                retry_after=5,
            )
        return Unavailable(
            f"The server runs as many {self._work} as it can. Try again in a moment.", code=self._busy, retry_after=5
        )


class Place:
    """A place that is held until `release` is called; further calls change nothing."""

    def __init__(self, limiter: FairLimiter, waiter: _Waiter) -> None:
        self._leave = limiter._leave
        self._waiter: _Waiter | None = waiter

    def release(self) -> None:
        """Give the place back."""
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            self._leave(waiter)
