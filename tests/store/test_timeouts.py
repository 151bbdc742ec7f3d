"""Statements that are given up: said as timeouts, never as an answer."""

from collections import Counter

import pytest

from tallystick.query.conditions import Contains, Query
from tallystick.store.bounds import compile_bounded
from tallystick.store.errors import StoreTimeout
from tests.fixtures.spine import Spine

NEWEST = "ORDER BY occurred_at DESC, seq DESC LIMIT 40"


@pytest.mark.both_stores
def test_a_statement_without_time_never_answers_wrongly_nor_spoils_the_next(sqlite_spine: Spine) -> None:
    spine = sqlite_spine
    scope = spine.organization()
    for _ in range(3):
        spine.record(scope, *({"action": "user.login", "metadata": {"n": f"n{n}", "note": "ab"}} for n in range(500)))
    spine.ship()
    bound = compile_bounded(scope, Query(Contains("ab")))
    right = spine.store.read(bound.where, NEWEST, bound.parameters)
    outcomes: Counter[str] = Counter()
    for turn in range(150):
        # Up to 30 ms longer, so that some end before their time and some behind it, however fast the machine is.
        slowed = f"{bound.where} AND sleepEachRow({turn % 15 / 500_000}) = 0"
        try:
            hurried = spine.store.read(slowed, NEWEST, bound.parameters, seconds=0.01)
            outcomes["right" if hurried == right else "wrong"] += 1
        except StoreTimeout:
            outcomes["timeout"] += 1
        calm = spine.store.rows("SELECT count() FROM events WHERE org_id = {org:UUID}", {"org": str(scope.org_id)})
        outcomes["calm" if calm == [(1501,)] else "spoilt"] += 1
    assert outcomes["wrong"] == 0
    assert outcomes["spoilt"] == 0
    assert outcomes["timeout"] > 0
