"""How long something that follows the logs has been behind them."""

from collections.abc import Mapping
from uuid import UUID


class LagClock:
    """Measures a lag in seconds from positions that are looked at now and then.

    Each organization has a target, the end of its log when it was first seen behind. The lag is the age of the oldest
    target that is not reached yet: exact to the interval of measuring, and 0 for whoever keeps up with a busy log.
    """

    def __init__(self) -> None:
        self._targets: dict[UUID, tuple[int, float]] = {}

    def seconds(self, behind: Mapping[UUID, tuple[int, int]], now: float) -> float:
        """The lag at `now` (seconds of a steady clock); `behind`: position and end of each log that is not reached."""
        targets: dict[UUID, tuple[int, float]] = {}
        for org_id, (position, end) in behind.items():
            target, since = self._targets.get(org_id, (end, now))
            targets[org_id] = (target, since) if position < target else (end, now)
        self._targets = targets
        return max((now - since for _, since in targets.values()), default=0.0)
