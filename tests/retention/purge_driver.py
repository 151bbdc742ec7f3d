"""Driving a purge to its end."""

from contextlib import suppress

from tallystick import clock
from tallystick.errors import TallystickError
from tallystick.retention.purge import Purger
from tests.fixtures.spine import Spine


def purge_with(spine: Spine, purger: Purger, *, later: int = 0) -> None:
    """Step until nothing is left to do, `later` microseconds from now; what is told is shipped in between."""
    for _ in range(30):
        busy = False
        with suppress(TallystickError):
            busy = purger.step(clock.now_us() + later)
        spine.sequencer.tick([])
        spine.ship()
        if not busy:
            return
