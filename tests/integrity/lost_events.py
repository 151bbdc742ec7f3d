"""An organization whose events some tests lose, and the purge of those that have expired."""

from tallystick import clock
from tallystick.clock import DAY_US, SECOND_US, rfc3339
from tallystick.query.scope import Scope
from tallystick.retention.purge import Purger
from tests.fixtures.spine import Spine

COUNT = 40  # events of an organization, its own first action included


def organization(spine: Spine, slug: str = "acme", *, old: int = 0) -> Scope:
    """An organization with COUNT stored events, of which the oldest `old` ones are past their retention."""
    scope = spine.organization(slug, days=30)
    long_ago = rfc3339(clock.now_us() - 31 * DAY_US)
    expired = [{"action": "user.login", "timestamp": long_ago}] * old
    spine.record(scope, *expired, *[{"action": "user.login"}] * (COUNT - 1 - old))
    spine.ship()
    return scope


def purge(spine: Spine, now: int | None = None) -> None:
    """Plan, record and carry out the purge of what has expired at `now` (µs since 1970; by default the time)."""
    now = clock.now_us() if now is None else now
    for _ in range(4):
        Purger(spine.database, spine.store).step(now)
        spine.sequencer.tick([])
        now += 400 * SECOND_US
    spine.ship()
