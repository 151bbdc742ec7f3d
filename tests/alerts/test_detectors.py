"""Detectors against plain definitions: a hit counts with those of its group that have indexes up to its own."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.alerts.columnar import HitColumns, event_ids_of, find_firings
from tallystick.alerts.definition import RuleDefinition
from tallystick.alerts.detectors import NO_VALUE, QUERY, THEN, UNLESS, Hit, SilenceDetector, new_detector, run_detector
from tallystick.clock import DAY_US, SECOND_US

HOUR = 3600 * SECOND_US


def hits_of(*given: tuple[int, str, str, int]) -> list[Hit]:
    """(seconds, group, value, step) in index order."""
    return [
        Hit(at * SECOND_US, seq, step, (group.encode(),), value.encode(), seq.to_bytes(16, "big"))
        for seq, (at, group, value, step) in enumerate(given)
    ]


def fired(definition: RuleDefinition, hits: Sequence[Hit]) -> list[int]:
    """At which hits the rule fires, by index."""
    return [hit.seq for _, hit in run_detector(new_detector(definition), hits)]


def plainly(definition: RuleDefinition, hits: Sequence[Hit]) -> list[int]:
    """The same by definition, with every window looked at for every hit."""
    found: list[Hit] = []
    for place, hit in enumerate(hits):
        if any(abs(one.at - hit.at) < definition.cooldown_us for one in found if one.keys == hit.keys):
            continue
        mine = [one for one in hits[: place + 1] if one.keys == hit.keys and (one.value or not definition.distinct)]
        if hit not in mine:
            continue
        for start in {one.at for one in mine if hit.at - definition.window_us <= one.at <= hit.at}:
            held = [one for one in mine if start <= one.at <= start + definition.window_us]
            if len({one.value for one in held} if definition.distinct else held) >= definition.count:
                found.append(hit)
                break
    return [one.seq for one in found]


moments = st.lists(
    st.tuples(st.integers(0, 60), st.sampled_from("ab"), st.sampled_from(["", "x", "y", "z"]), st.just(QUERY)),
    max_size=40,
)


@given(moments, st.integers(1, 5), st.integers(1, 20), st.integers(0, 30), st.booleans())
def test_a_threshold_fires_where_some_window_holds_enough_in_whatever_order_events_come(
    given_moments, count, window, cooldown, distinct
) -> None:
    definition = RuleDefinition(
        count=max(count, 2) if distinct else count, window_seconds=window, group_by="user",
        distinct="ip" if distinct else None, cooldown_seconds=cooldown,
    )  # fmt: skip
    hits = hits_of(*given_moments)
    assert fired(definition, hits) == plainly(definition, hits)


steps = st.lists(
    st.tuples(st.integers(0, 30), st.just("a"), st.just(""), st.sampled_from([QUERY, QUERY, THEN, UNLESS])), max_size=25
)


@given(steps, st.integers(1, 3), st.integers(1, 15))
def test_a_sequence_fires_where_its_end_follows_enough_beginnings_in_whatever_order_they_come(
    given_steps, count, window
):
    hits = hits_of(*given_steps)
    expected = []
    for place, hit in enumerate(hits):
        known = hits[: place + 1]
        for then in [one for one in known if one.step == THEN]:
            stops = [one.at for one in known if one.step == UNLESS and one.at <= then.at]
            since = max([then.at - window * SECOND_US, *(at + 1 for at in stops)])
            held = [one for one in known if one.step == QUERY and since <= one.at <= then.at]
            if len(held) >= count and (hit is then or hit in held):
                expected.append(hit.seq)
                break
    definition = RuleDefinition(
        kind="sequence", count=count, window_seconds=window, group_by="user", then="x", unless="y"
    )
    assert fired(definition, hits) == expected


def test_what_a_firing_holds_is_its_window_oldest_first() -> None:
    definition = RuleDefinition(count=3, window_seconds=10, group_by="user", cooldown_seconds=60)
    hits = hits_of((0, "a", "", 0), (100, "a", "", 0), (105, "a", "", 0), (104, "b", "", 0), (110, "a", "", 0),
                   (111, "a", "", 0))  # fmt: skip
    detector = new_detector(definition)
    ((firing, _),) = run_detector(detector, hits)
    assert [one.seq for one in firing.events] == [1, 2, 4]
    assert (firing.number, firing.first_at, firing.last_at) == (3, 100 * SECOND_US, 110 * SECOND_US)
    assert detector.suppressed == {(b"a", 110 * SECOND_US): 1}, "what follows in the cool-down is counted"


def test_a_value_is_new_to_a_group_that_had_another() -> None:
    definition = RuleDefinition(kind="first_seen", group_by="user", new="ip")
    hits = hits_of((0, "a", "x", 0), (1, "a", "x", 0), (2, "b", "x", 0), (3, "a", "y", 0), (4, "a", "", 0),
                   (5, "a", "y", 0))  # fmt: skip
    assert fired(definition, hits) == [3]


def test_with_a_window_a_value_is_new_again_after_it() -> None:
    definition = RuleDefinition(kind="first_seen", group_by="user", new="country", window_seconds=100)
    hits = hits_of((0, "a", "x", 0), (1, "a", "y", 0), (99, "a", "x", 0), (150, "a", "y", 0), (198, "a", "x", 0),
                   (50, "a", "x", 0), (299, "b", "x", 0), (500, "b", "x", 0))  # fmt: skip
    assert fired(definition, hits) == [1, 3]


def test_a_dormant_group_that_acts_fires_once() -> None:
    definition = RuleDefinition(kind="dormant", group_by="user", window_seconds=100)
    assert fired(
        definition, hits_of((0, "a", "", 0), (99, "a", "", 0), (199, "a", "", 0), (50, "a", "", 0), (200, "a", "", 0))
    ) == [2]


@pytest.mark.parametrize(("hour", "fires"), [(3, True), (9, False), (8, False), (17, True), (16, False)])
def test_an_hour_is_odd_if_neither_it_nor_those_beside_it_are_usual(hour: int, fires: bool) -> None:
    definition = RuleDefinition(kind="off_hours", group_by="user", count=50)
    usual = [((day * 24 + one) * 3600, "a", "", 0) for day in range(10) for one in range(9, 16)]
    hits = hits_of(*usual, ((10 * 24 + hour) * 3600, "a", "", 0), ((10 * 24 + 3) * 3600, "b", "", 0))
    assert fired(definition, hits) == ([70] if fires else [])


def test_a_habit_takes_days_however_many_events() -> None:
    definition = RuleDefinition(kind="off_hours", group_by="user", count=50)
    hits = hits_of(*[(9 * 3600 + one, "a", "", 0) for one in range(100)], (86400 + 3 * 3600, "a", "", 0))
    assert fired(definition, hits) == []


def test_a_silence_fires_once_until_it_is_broken() -> None:
    detector = new_detector(RuleDefinition(kind="silence", window_seconds=60))
    assert isinstance(detector, SilenceDetector)
    (hit,) = hits_of((0, "a", "", 0))
    detector.process(hit)
    assert detector.find_silent(59 * SECOND_US) == []
    assert [one.key for one in detector.find_silent(60 * SECOND_US)] == [b"a"]
    assert detector.find_silent(DAY_US) == []
    detector.process(hit._replace(at=DAY_US))
    assert [one.last_at for one in detector.find_silent(DAY_US + HOUR)] == [DAY_US]
    assert detector.memory[b"a"][NO_VALUE][1]["told"]


@given(moments, st.integers(2, 5), st.integers(1, 20), st.integers(0, 30))
def test_counting_in_columns_finds_what_the_detector_finds(given_moments, count, window, cooldown) -> None:
    definition = RuleDefinition(count=count, window_seconds=window, group_by="user", cooldown_seconds=cooldown)
    hits = hits_of(*given_moments)
    keys = sorted({hit.keys[0] for hit in hits})
    rows = HitColumns(
        np.array([hit.at for hit in hits], dtype=np.int64),
        np.array([hit.seq for hit in hits], dtype=np.int64),
        np.array([keys.index(hit.keys[0]) for hit in hits], dtype=np.int64),
        np.array([hit.event_id for hit in hits], dtype="V16"),
        keys,
    )
    found = find_firings(definition, rows)
    judged = [
        (hit.seq, firing.at, firing.key, firing.number, [one.event_id for one in firing.events])
        for firing, hit in run_detector(new_detector(definition), hits)
    ]
    assert judged == [
        (one.seq, one.at, keys[one.group], one.number, events)
        for one, events in zip(found, event_ids_of(definition, rows, found), strict=True)
    ]
