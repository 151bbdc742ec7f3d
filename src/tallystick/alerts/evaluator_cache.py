"""Judges that go on knowing from step to step what they were given, so that a step costs what its events cost."""

from collections import OrderedDict
from dataclasses import dataclass
from uuid import UUID

from tallystick.alerts.judges import Judge

MOST_HITS = 200_000
MOST_OF_ONE = 50_000
Judges = dict[tuple[UUID, int], Judge]
"""By the rule and its version."""


@dataclass(slots=True)
class _Kept:
    next_index: int
    judges: Judges
    hits: int  # that they were given since they are kept: more than they hold


class Standing:
    """The judges of each organization as they are after its position. Of one thread.

    They are taken out to judge, and put back when their outcome is committed: what fails is loaded anew. Those of
    an organization are of no use to who finds it at another position: then another process judged.
    """

    def __init__(self) -> None:
        self._of: OrderedDict[UUID, _Kept] = OrderedDict()
        self._hits = 0

    def take(self, org_id: UUID, next_index: int) -> tuple[Judges, int]:
        """The judges that stand at this position, and how many hits they were given."""
        kept = self._of.pop(org_id, None)
        if kept is None:
            return {}, 0
        self._hits -= kept.hits
        return (kept.judges, kept.hits) if kept.next_index == next_index else ({}, 0)

    def keep(self, org_id: UUID, next_index: int, judges: Judges, hits: int) -> None:
        """Until the next step; not those who know too much, and of all the ones used last."""
        if hits > MOST_OF_ONE:
            return
        self._of[org_id] = _Kept(next_index, judges, hits)
        self._hits += hits
        while self._hits > MOST_HITS:
            _, oldest = self._of.popitem(last=False)
            self._hits -= oldest.hits
