"""Who gets a place, who waits, and who is refused."""

import anyio
import pytest

from tallystick.access.scopes import api_key_scope
from tallystick.errors import TooMany, Unavailable
from tallystick.ids import new_uuid
from tallystick.work.fair_limiter import FairLimiter, Shares

ACME, OTHER, THIRD = (api_key_scope(new_uuid(0), new_uuid(0), name, ()) for name in ("acme", "other", "third"))
ACMES_SECOND_KEY = api_key_scope(ACME.org_id, new_uuid(0), "acme", ())


class Queue:
    """Starts requests that hold their place until `end`; `running` lists them in the order of their admission."""

    def __init__(self, shares, group):
        self.limiter = FairLimiter(shares, "searches")
        self.group = group
        self.running = []
        self.errors = {}
        self.ends = {}
        self.scopes = {}

    async def begin(self, name, scope):
        self.ends[name] = anyio.Event()
        self.scopes[name] = anyio.CancelScope()
        self.group.start_soon(self._hold, name, scope)
        await anyio.wait_all_tasks_blocked()

    async def end(self, name):
        self.ends[name].set()
        await anyio.wait_all_tasks_blocked()

    async def cancel(self, name):
        self.scopes[name].cancel()
        await anyio.wait_all_tasks_blocked()

    async def _hold(self, name, scope):
        try:
            with self.scopes[name]:
                async with self.limiter.place(scope):
                    self.running.append(name)
                    await self.ends[name].wait()
        except (TooMany, Unavailable) as error:
            self.errors[name] = error


def drive(shares, steps):
    """Run `steps(queue)` on an event loop; whoever still holds a place then gives it back."""

    async def run():
        async with anyio.create_task_group() as group:
            queue = Queue(shares, group)
            await steps(queue)
            for name in list(queue.ends):
                await queue.end(name)
        assert queue.limiter._free == shares.places
        assert not queue.limiter._waiting
        assert not +queue.limiter._held
        return queue

    return anyio.run(run)


def test_an_organization_holds_no_more_than_its_share():
    async def steps(queue):
        for number in range(3):
            await queue.begin(number, ACME)
        assert queue.running == [0, 1]
        await queue.begin("other", OTHER)
        assert queue.running == [0, 1, "other"]

    drive(Shares(places=3, of_organization=2, of_principal=2), steps)


def test_a_key_leaves_a_place_to_its_organizations_other_keys():
    async def steps(queue):
        for number in range(3):
            await queue.begin(number, ACME)
        await queue.begin("second key", ACMES_SECOND_KEY)
        assert queue.running == [0, "second key"]

    drive(Shares(places=3, of_organization=2, of_principal=1), steps)


def test_waiting_organizations_take_turns_however_many_requests_one_of_them_has():
    async def steps(queue):
        await queue.begin("first", THIRD)
        for number in range(3):
            await queue.begin(f"acme {number}", ACME)
        for number in range(2):
            await queue.begin(f"other {number}", OTHER)
        await queue.end("first")
        for name in ("acme 0", "other 0", "acme 1", "other 1"):
            await queue.end(name)
        assert queue.running == ["first", "acme 0", "other 0", "acme 1", "other 1", "acme 2"]

    drive(Shares(places=1, of_organization=1, of_principal=1), steps)


def test_a_request_that_goes_away_leaves_the_queue_at_once():
    async def steps(queue):
        await queue.begin("first", ACME)
        await queue.begin("gone", ACME)
        await queue.begin("next", ACME)
        await queue.cancel("gone")
        await queue.end("first")
        assert queue.running == ["first", "next"]

    drive(Shares(places=1, of_organization=1, of_principal=1), steps)


def test_a_request_that_goes_away_while_it_runs_gives_its_place_back():
    async def steps(queue):
        await queue.begin("first", ACME)
        await queue.begin("next", OTHER)
        await queue.cancel("first")
        assert queue.running == ["first", "next"]

    drive(Shares(places=1, of_organization=1, of_principal=1), steps)


def test_who_waits_in_vain_for_the_own_share_is_told_429():
    async def steps(queue):
        await queue.begin("first", ACME)
        await queue.begin("late", ACME)
        await anyio.sleep(0.05)
        error = queue.errors["late"]
        assert (type(error), error.code, error.retry_after > 0) == (TooMany, "too_many_requests", True)

    drive(Shares(places=2, of_organization=1, of_principal=1, seconds=0.01), steps)


def test_who_waits_in_vain_for_others_is_told_503():
    async def steps(queue):
        await queue.begin("first", ACME)
        await queue.begin("late", OTHER)
        await anyio.sleep(0.05)
        error = queue.errors["late"]
        assert (type(error), error.code, error.retry_after > 0) == (Unavailable, "server_busy", True)

    drive(Shares(places=1, of_organization=1, of_principal=1, seconds=0.01), steps)


@pytest.mark.parametrize("keys", [(ACME,), (ACME, ACMES_SECOND_KEY)], ids=["one key", "two keys"])
def test_the_queue_of_an_organization_is_bounded(keys):
    async def steps(queue):
        await queue.begin("first", ACME)
        for number in range(10):
            await queue.begin(number, keys[number % len(keys)])
        assert len(queue.errors) == 10 - 2 * len(keys)
        await queue.begin("other", OTHER)
        assert "other" not in queue.errors

    drive(Shares(places=1, of_organization=1, of_principal=1, waiting=4), steps)
