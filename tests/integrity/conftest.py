"""Rounds driven step by step."""

from collections.abc import Callable

import pytest

from tallystick.integrity import rounds
from tallystick.integrity.checker import Checker
from tallystick.integrity.rounds import Round
from tallystick.query.scope import Scope
from tests.fixtures.spine import Spine


@pytest.fixture
def start_round() -> Callable[[Spine, Scope, int], Round]:
    """`start_round(spine, scope, now)`: every round that is due then, to its end; the one of that scope."""

    def run(spine: Spine, scope: Scope, now: int) -> Round:
        checker = Checker(spine.database, spine.store)
        while checker.step(now):
            pass
        with spine.database.read() as connection:
            last = rounds.round_state(connection, scope.org_id).last
        assert last is not None
        return last

    return run
