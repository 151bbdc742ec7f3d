"""Viewers that are behind, slow or expensive lose nothing, and hold nobody up."""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

import pytest

from tallystick.errors import TooMany
from tallystick.live import channel, matching, replay
from tallystick.live.batch import LiveBatch
from tallystick.live.hub import LiveHub
from tallystick.query.scope import Scope
from tests.live.viewers import Viewing, indexes_of, indexes_of_all


def test_what_has_left_the_journal_comes_from_the_event_store(viewing: Viewing):
    scope = viewing.spine.organization()

    async def test() -> None:
        stored = viewing.record(scope, *(f"apple {number}" for number in range(30)))
        viewing.spine.ship()
        waiting = viewing.record(scope, "apple", "pear", "apple")
        viewer = await viewing.view(scope, "apple", -1)
        viewing.match()
        assert await viewer.indexes() == [*stored, waiting[0], waiting[2]]

    viewing.run(test)


def test_a_viewer_that_events_overtake_is_given_each_once_in_order(viewing: Viewing, monkeypatch):
    monkeypatch.setattr(replay, "MOST_EVENTS", 7)
    scope = viewing.spine.organization()

    async def test() -> None:
        viewer = await viewing.view(scope, "apple", -1)
        expected, seen = [], []
        for number in range(12):
            expected += viewing.record(scope, *["apple", "pear", "apple"] * 3)
            expected[-9:] = [index for place, index in enumerate(expected[-9:]) if place % 3 != 1]
            if number % 2:
                viewing.spine.ship()
            if number % 3 == 0:
                viewing.matcher.step()
                viewing.replay.step()
                seen += await viewer.indexes()
        viewing.match()
        assert seen + await viewer.indexes() == expected

    viewing.run(test)


def test_a_viewer_that_takes_nothing_has_a_bounded_amount_waiting_and_misses_nothing(viewing: Viewing, monkeypatch):
    monkeypatch.setattr(channel, "MOST_WAITING_BYTES", 1000)
    scope = viewing.spine.organization()
    kept: list[int] = []
    put = channel.LiveSubscription.put

    def put_counted(subscription, through, message):
        put(subscription, through, message)
        kept.append(subscription._bytes)

    monkeypatch.setattr(channel.LiveSubscription, "put", put_counted)

    def long(batch: LiveBatch) -> bytes:
        return indexes_of(batch) + b" " * 300

    async def test() -> None:
        viewer = await viewing.view(scope, "apple", viewing.spine.size(scope.org_id) - 1, long)
        indexes = []
        for _ in range(20):
            indexes += viewing.record(scope, "apple")
            viewing.match()
        viewing.spine.ship()
        seen: list[int] = []
        while len(seen) < len(indexes):
            viewing.match()
            seen += await viewer.indexes()
        assert seen == indexes
        assert max(kept) < 1000 + 2 * 400

    viewing.run(test)


def test_a_viewer_whose_message_cannot_be_made_is_tried_again_and_misses_nothing(viewing: Viewing):
    scope = viewing.spine.organization()
    failures = [ValueError("once")]

    def failing(batch: LiveBatch) -> bytes:
        if batch.events and failures:
            raise failures.pop()
        return indexes_of(batch)

    async def test() -> None:
        end = viewing.spine.size(scope.org_id) - 1
        viewer, other = await viewing.view(scope, "", end, failing), await viewing.view(scope, "", end)
        indexes = viewing.record(scope, "apple")
        viewing.match()
        viewing.matcher._pauses._until.clear()
        seen = await viewer.indexes()
        viewing.match()
        assert seen + await viewer.indexes() == indexes
        assert await other.indexes() == indexes

    viewing.run(test)


def test_every_organization_has_its_turn_in_each_step(viewing: Viewing, monkeypatch):
    """However long another's takes: a turn ends after the query under way."""
    monkeypatch.setattr(matching, "TURN_SECONDS", 0.0)
    monkeypatch.setattr(matching.TimeSlice, "is_over", _over_after_one())
    acme, beta = viewing.spine.organization(), viewing.spine.organization("beta")

    async def test() -> None:
        acme_end, beta_end = (viewing.spine.size(scope.org_id) - 1 for scope in (acme, beta))
        many = [await viewing.view(acme, f"apple OR w{number}", acme_end) for number in range(10)]
        one = await viewing.view(beta, "apple", beta_end)
        theirs, ours = viewing.record(acme, "apple"), viewing.record(beta, "apple")
        assert viewing.matcher.step()
        assert await one.indexes() == ours
        assert sorted(await indexes_of_all(many)) == [[]] * 9 + [theirs]
        viewing.match()
        assert sum(await indexes_of_all(many), []) == theirs * 9  # noqa: RUF017

    viewing.run(test)


def test_messages_of_many_kinds_end_a_turn_and_no_viewer_misses_any(viewing: Viewing, monkeypatch):
    """Viewers of one query that show it differently: each form of a message is made by itself."""
    monkeypatch.setattr(matching.TimeSlice, "is_over", _over_after_one())
    acme, beta = viewing.spine.organization(), viewing.spine.organization("beta")
    made: list[int] = []

    def form(number: int) -> Callable[[LiveBatch], bytes]:
        def encode(batch: LiveBatch) -> bytes:
            made.append(number)
            return indexes_of(batch)

        return encode

    async def test() -> None:
        acme_end, beta_end = (viewing.spine.size(scope.org_id) - 1 for scope in (acme, beta))
        many = [await viewing.view(acme, "apple", acme_end, form(number)) for number in range(10)]
        one = await viewing.view(beta, "apple", beta_end)
        theirs, ours = viewing.record(acme, "apple", "apple"), viewing.record(beta, "apple")
        viewing.matcher.step()
        assert len(made) == 1
        assert await one.indexes() == ours
        given = await indexes_of_all(many)
        for _ in range(10):
            viewing.match()
            given = [seen + new for seen, new in zip(given, await indexes_of_all(many), strict=True)]
        assert given == [theirs] * 10

    viewing.run(test)


def _over_after_one():
    asked: dict[object, int] = {}

    def is_over(turn) -> bool:
        asked[turn] = asked.get(turn, 0) + 1
        return asked[turn] > 1

    return is_over


def test_a_failure_in_one_organization_holds_up_no_other(viewing: Viewing, monkeypatch):
    acme, beta = viewing.spine.organization(), viewing.spine.organization("beta")
    take_turn = viewing.matcher._take_turn

    def failing(org_id, size):
        if org_id == acme.org_id:
            raise ValueError("broken")
        return take_turn(org_id, size)

    monkeypatch.setattr(viewing.matcher, "_take_turn", failing)

    async def test() -> None:
        await viewing.view(acme, "", -1)
        viewer = await viewing.view(beta, "", viewing.spine.size(beta.org_id) - 1)
        indexes = viewing.record(beta, "apple")
        viewing.matcher.step()
        assert await viewer.indexes() == indexes

    viewing.run(test)


def test_viewers_end_when_the_hub_closes(viewing: Viewing):
    scope = viewing.spine.organization()

    async def test() -> None:
        messages = viewing.hub.follow(scope, channel.Query(), -1, indexes_of)
        viewing.record(scope, "apple")
        following = asyncio.ensure_future(anext(messages, None))
        await asyncio.sleep(0)
        viewing.hub.close()
        assert await following is None

    viewing.run(test)


def _of_key(scope, key_id):
    return replace(scope, principal=replace(scope.principal, kind="api_key", id=key_id))


def test_one_key_one_organization_and_all_together_have_bounded_numbers_of_viewers(viewing: Viewing):
    hub = LiveHub(viewing.spine.database, viewing.spine.store, most_viewers=20)
    organizations = [viewing.spine.organization(f"org{number}") for number in range(6)]
    keys = {scope.org_id: [_of_key(scope, f"key_{number}") for number in range(3)] for scope in organizations}
    first, *others = organizations
    with ExitStack() as open_views:

        def view(key: Scope) -> None:
            open_views.enter_context(hub.viewing(key))

        for key in keys[first.org_id][:2]:
            view(key)
            view(key)
            with pytest.raises(TooMany) as refused:
                view(key)
            assert (refused.value.code, refused.value.retry_after) == ("too_many_viewers", 10)
        with pytest.raises(TooMany):
            view(keys[first.org_id][2])
        for key in (key for scope in others[:4] for key in keys[scope.org_id][:2] for _ in range(2)):
            view(key)
        with pytest.raises(TooMany):
            view(keys[others[4].org_id][0])
    with hub.viewing(keys[first.org_id][0]), hub.viewing(keys[first.org_id][0]):
        hub.check_places(keys[first.org_id][1])
