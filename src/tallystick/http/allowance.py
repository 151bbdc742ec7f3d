"""A budget, such as bytes of memory, that requests share."""

import asyncio
from collections import Counter
from collections.abc import Hashable

from tallystick.errors import Unavailable


class Allowance:
    """A budget that requests share, such as bytes of memory. Used on the event loop only, so that it needs no lock."""

    def __init__(self, most: int, detail: str, code: str, *, retry_after: int = 1) -> None:
        self._left = most
        self._held: Counter[Hashable] = Counter()
        self._detail = detail
        self._code = code
        self._retry_after = retry_after
        # Held for a piece of computing on the event loop: however many requests compute, one piece comes between two
        # turns of all the others.
        self.turn = asyncio.Lock()

    def take(self, amount: int, holder: Hashable = None) -> None:
        """Take an amount, which must be given back; raises Unavailable if less is left.

        A named holder gets no more than it leaves to the others, so that no single one can take everything.
        """
        left = self._left - amount
        if left < (0 if holder is None else self._held[holder] + amount):
            raise Unavailable(self._detail, code=self._code, retry_after=self._retry_after)
        self._left = left
        if holder is not None:
            self._held[holder] += amount

    def give_back(self, amount: int, holder: Hashable = None) -> None:
        """Return an amount that was taken by the same holder."""
        self._left += amount
        if holder is not None:
            self._held[holder] -= amount
            if not self._held[holder]:
                del self._held[holder]


class Reservation:
    """The part of an allowance that one request uses, so that all of it is given back."""

    def __init__(self, allowance: Allowance, holder: Hashable = None) -> None:
        self._allowance = allowance
        self._holder = holder
        self.amount = 0
        self.turn = allowance.turn

    def take(self, amount: int) -> None:
        """Take more; raises Unavailable."""
        self._allowance.take(amount, self._holder)
        self.amount += amount

    def give_back(self, amount: int) -> None:
        """Return a part, or with `amount` all of it."""
        self._allowance.give_back(amount, self._holder)
        self.amount -= amount
