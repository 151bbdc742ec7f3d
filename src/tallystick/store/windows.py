"""Reading within a time budget: rows in order, in windows whose size follows the time they take.

A window is a run of the organization's rows in timestamp order, bounded by row count, so that each costs about the same
wherever the trail is dense. A reading that cannot finish says how far it came, and always makes some progress.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from tallystick.store.bounds import Bounded
from tallystick.store.errors import StoreTimeout
from tallystick.store.events import EventStore

Direction = Literal["desc", "asc"]
Place = tuple[int, int]
"""(occurred_at in microseconds, index)"""

FIRST_ROWS = 50_000
LEAST_ROWS = 4_000
MOST_ROWS = 1_600_000
GROWTH = 4
LEAST_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Window:
    """Rows after `near` (not included; None: from the beginning of the order) through `far` (included; None: all)."""

    near: Place | None
    far: Place | None


class Budget:
    """The time that an answer may take, counted from the constructor on."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def remaining(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self._end - time.monotonic())


def narrowed(bound: Bounded, window: Window, direction: Direction) -> tuple[str, dict[str, Any]]:
    """SQL condition and parameters of `bound` within a window."""
    where, parameters = bound.where, dict(bound.parameters)
    before, after = ("<", ">") if direction == "desc" else (">", "<")
    for name, place, side, equal in (("near", window.near, before, False), ("far", window.far, after, True)):
        if place is None:
            continue
        at = f"fromUnixTimestamp64Micro({{{name}_at:Int64}}, 'UTC')"
        index = f"{{{name}_index:Int64}}"
        # (occurred_at, seq) is the table's key. The first comparison alone lets the engine skip its granules by the
        # primary index; the pair, which a tuple comparison would express, decides among rows of one microsecond.
        same = f"seq {side}{'=' if equal else ''} {index}"
        where += f" AND occurred_at {side}= {at} AND (occurred_at {side} {at} OR {same})"
        parameters |= {f"{name}_at": place[0], f"{name}_index": place[1]}
    return where, parameters


def order_by(direction: Direction) -> str:
    """The ORDER BY of the table's key, so that the engine stops reading early."""
    word = direction.upper()
    return f"ORDER BY occurred_at {word}, seq {word}"


class Windows:
    """One reading through an organization's rows, window by window. `reached` and `complete` say how far it came."""

    def __init__(self, store: EventStore, span: Bounded, direction: Direction, start: Place | None = None) -> None:
        self._store = store
        self._span = span  # the scope and the time alone: what the windows are measured on
        self._direction = direction
        self._rows = FIRST_ROWS
        self.reached = start
        self.complete = False

    def run(self, budget: Budget, read: Callable[[Window, float | None], bool]) -> None:
        """Call `read(window, seconds)` until it returns True (enough), the rows end, or the time is used up.

        `read` may raise StoreTimeout; then the same place is tried again with fewer rows. The smallest window runs
        without a limit, so that every reading makes progress.
        """
        # Rows of an organization are dense at one time and sparse at another. A window of rows, not of time, costs
        # about the same everywhere, so that its size can be steered by the time that the one before took.
        moved = False
        while not self.complete and (budget.remaining() > LEAST_SECONDS or not moved):
            least = self._rows <= LEAST_ROWS
            far = self._boundary()
            began = budget.remaining()
            try:
                enough = read(Window(self.reached, far), None if least else began)
            except StoreTimeout:
                # Much smaller at once: every failed try costs time and brings nothing.
                self._rows = max(LEAST_ROWS, self._rows // 8)
                continue
            moved = True
            # Without a far end the window held all the rest; unless `read` stopped inside it, the reading is complete.
            self.complete = far is None and not enough
            self.reached = far if far is not None else self.reached
            if enough:
                return
            spent = max(began - budget.remaining(), 0.001)
            # The next window should take at most 0.6 of the time left: growth is a guess from the last one's speed.
            growth = min(GROWTH, max(0.25, 0.6 * budget.remaining() / spent))
            self._rows = int(min(MOST_ROWS, max(LEAST_ROWS, self._rows * growth)))

    def _boundary(self) -> Place | None:
        where, parameters = narrowed(self._span, Window(self.reached, None), self._direction)
        rows = self._store.rows(
            f"SELECT toUnixTimestamp64Micro(occurred_at), seq FROM events WHERE {where} "
            f"{order_by(self._direction)} LIMIT 1 OFFSET {{step:UInt64}}",
            parameters | {"step": self._rows - 1},
        )
        return (rows[0][0], rows[0][1]) if rows else None
