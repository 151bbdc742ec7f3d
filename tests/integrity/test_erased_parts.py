"""An erasure is no difference, whichever step it is at."""

from collections.abc import Callable
from pathlib import Path

from tallystick import clock
from tallystick.clock import DAY_US
from tallystick.integrity.rounds import Round
from tallystick.query.scope import Scope
from tests.erasure.erasure_driver import ask, by_sarah, confirm, eraser, event
from tests.fixtures.spine import Spine


def test_an_erasure_is_no_difference_whichever_step_it_is_at(
    sqlite_spine: Spine, tmp_path: Path, start_round: Callable[[Spine, Scope, int], Round]
) -> None:
    spine = sqlite_spine
    scope = spine.organization()
    spine.record(scope, *[by_sarah() if number % 3 == 0 else event() for number in range(300)])
    spine.ship()
    work, now = eraser(spine, tmp_path), clock.now_us()
    public_id = ask(spine, scope)
    decided = False
    for _ in range(60):
        now += DAY_US + 1
        assert start_round(spine, scope, now).problems == ()
        busy = work.step()
        spine.sequencer.tick([])
        spine.ship()
        if not busy and decided:
            break
        if not busy:
            confirm(spine, scope, public_id)
            decided = True
    found = start_round(spine, scope, now + DAY_US)
    assert (found.found, found.erased >= 100) == (0, True)
