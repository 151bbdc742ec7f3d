"""Filters in a URL: what they ask for, and what is said of a value that none can have."""

from collections.abc import Sequence
from ipaddress import ip_network

import pytest

from tallystick.errors import BadRequest
from tallystick.query.conditions import EVERYTHING, And, Contains, Equals, InNetwork, Not, Or, Query
from tallystick.search.filters import query_from
from tests.search.material import at

NOW = at("2024-01-15T14:30:45Z")
DAY = 86_400_000_000


def query(**params: str | Sequence[str]) -> Query:
    listed = {name: [value] if isinstance(value, str) else value for name, value in params.items()}
    return query_from(listed, now=NOW)


def bad(**params: str | Sequence[str]) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        query(**params)
    return caught.value


def period(**params: str) -> tuple[int | None, int | None]:
    asked = query(**params)
    assert asked.condition == EVERYTHING
    return asked.start, asked.end


class TestFields:
    def test_nothing_asks_for_everything(self) -> None:
        assert query() == query(q="", user=["", "  "], start="") == Query()

    @pytest.mark.parametrize(
        ("name", "value", "meaning"),
        [
            ("user", "Sarah@acme.com", Equals("user", ("sarah@acme.com",))),
            ("action", "deployment.*", Equals("action", ("deployment.*",))),
            ("action", "deployment", Equals("action", ("deployment",))),
            ("status", "Failed", Equals("status", ("failed",))),
            ("category", "users", Equals("category", ("users",))),
            ("resource", "VPC Production", Equals("resource", ("vpc production",))),
            ("resource_type", "project", Equals("resource_type", ("project",))),
            ("ip", "10.0.0.0/8", InNetwork((ip_network("10.0.0.0/8"),))),
            ("ip", "2001:db8::1", InNetwork((ip_network("2001:db8::1"),))),
            ("q", "a -b", And((Contains("a"), Not(Contains("b"))))),
        ],
    )
    def test_a_filter_means(self, name: str, value: str, meaning: object) -> None:
        assert query(**{name: value}).condition == meaning

    def test_values_of_one_name_are_or(self) -> None:
        assert query(user=["a", "B", "a"]).condition == Equals("user", ("a", "b"))
        assert query(q=["a", "b c"]).condition == Or((Contains("a"), And((Contains("b"), Contains("c")))))

    def test_names_are_and(self) -> None:
        asked = query(user="a", status="failed", q="b")
        assert asked.condition == And((Equals("user", ("a",)), Equals("status", ("failed",)), Contains("b")))

    def test_other_names_are_left_alone(self) -> None:
        assert query(limit="50", cursor="x", user="a") == query(user="a")

    def test_a_text_in_place_of_a_list_is_one_value(self) -> None:
        assert query_from({"user": "ab"}, now=NOW) == query(user="ab")

    def test_words_to_mark_come_along(self) -> None:
        assert query(q=["Deploy -x", "vpc"], user="u").needles == ("deploy", "vpc")


class TestPeriod:
    def test_bare_dates_include_both_days(self) -> None:
        assert period(start="2024-01-01", end="2024-01-31") == (at("2024-01-01T00:00:00Z"), at("2024-02-01T00:00:00Z"))

    def test_a_time_as_end_is_exclusive(self) -> None:
        assert period(end="2024-01-31T12:00:00Z") == (None, at("2024-01-31T12:00:00Z"))

    def test_dates_are_of_the_zone(self) -> None:
        found = period(start="2024-03-31", end="2024-03-31", tz="Europe/Berlin")
        assert found == (at("2024-03-30T23:00:00Z"), at("2024-03-31T22:00:00Z"))

    def test_the_zone_counts_for_the_search_too(self) -> None:
        assert period(q="on:2024-03-31", tz="Europe/Berlin") == period(
            start="2024-03-31", end="2024-03-31", tz="Europe/Berlin"
        )

    def test_a_midnight_that_the_clocks_skip_is_the_moment_they_do(self) -> None:
        assert period(start="2024-04-26", end="2024-04-26", tz="Africa/Cairo")[0] == at("2024-04-25T22:00:00Z")

    def test_an_hour_that_comes_twice_is_meant_from_its_first_time_to_its_second(self) -> None:
        found = period(start="2026-10-25T02:15", end="2026-10-25T02:45", tz="Europe/Berlin")
        assert found == (at("2026-10-25T00:15:00Z"), at("2026-10-25T01:45:00Z"))
        asked = period(q='after:2026-10-25T02:15 before:"2026-10-25 02:45"', tz="Europe/Berlin")
        assert asked == found

    def test_a_time_that_the_clocks_skip_is_the_moment_they_go_on(self) -> None:
        moment = at("2026-03-29T01:00:00Z")
        assert period(start="2026-03-29T02:15", end="2026-03-29T02:45", tz="Europe/Berlin") == (moment, moment)
        assert period(q="before:2026-03-29T02:30", tz="Europe/Berlin") == (None, moment)

    def test_nanoseconds_are_cut(self) -> None:
        assert period(start="2026-11-20T23:59:59.9999996Z")[0] == at("2026-11-20T23:59:59.999999Z")

    def test_a_plus_that_arrived_as_a_blank_is_a_plus(self) -> None:
        assert period(start="2024-01-15T14:30:00 02:00")[0] == at("2024-01-15T12:30:00Z")
        assert period(start="2024-01-15 14:30")[0] == at("2024-01-15T14:30:00Z")

    def test_an_empty_period_is_asked_for_as_it_stands(self) -> None:
        moment = "2024-01-15T12:00:00Z"
        assert period(start=moment, end=moment) == (at(moment), at(moment))

    def test_times_in_the_search_narrow_the_period(self) -> None:
        asked = query(start="2024-01-01", q="a (b after:2024-01-10) before:2024-01-20")
        assert (asked.start, asked.end) == (at("2024-01-10T00:00:00Z"), at("2024-01-20T00:00:00Z"))
        assert asked.condition == And((Contains("a"), Contains("b")))

    def test_times_that_only_some_events_must_keep_stay_a_condition(self) -> None:
        assert query(q="a OR after:2024-01-10").start is None
        assert query(q="-after:2024-01-10").start is None


class TestMistakes:
    @pytest.mark.parametrize(
        ("params", "parameter"),
        [
            ({"start": "2024-02-01", "end": "2024-01-01"}, "start"),
            ({"start": "tomorrowish"}, "start"),
            ({"end": "2024-13-01"}, "end"),
            ({"start": ["2024-01-01", "2024-01-02"]}, "start"),
            ({"tz": "Mars/Olympus"}, "tz"),
            ({"tz": "../etc/passwd"}, "tz"),
            ({"tz": "Europe"}, "tz"),
            ({"tz": "\0"}, "tz"),
            ({"status": "broken"}, "status"),
            ({"category": "x"}, "category"),
            ({"ip": "10.0.0.0/33"}, "ip"),
            ({"ip": ["10.0.0.1", "here"]}, "ip"),
            ({"user": "a\0b"}, "user"),
            ({"resource": "\ud800"}, "resource"),
            ({"user": ["u"] * 101}, "user"),
            ({"start": "2024-01-10", "q": "before:2024-01-05"}, "q"),
        ],
    )
    def test_a_bad_value_is_named(self, params: dict[str, str], parameter: str) -> None:
        problem = bad(**params)
        assert (problem.code, problem.extra["parameter"]) == ("bad_parameter", parameter)

    def test_a_bad_value_comes_with_one_that_can_be_read(self) -> None:
        assert bad(status="failure").extra["suggestion"] == "failed"
        assert bad(start="2024/1/5").extra["suggestion"] == "2024-01-05"

    def test_a_mistake_in_the_search_keeps_its_column(self) -> None:
        problem = bad(user="a", q="deploy OR")
        assert (problem.code, problem.extra["column"]) == ("bad_query", 8)
