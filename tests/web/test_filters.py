"""Filters: a URL and what it means are the same thing."""

from datetime import UTC, datetime

import pytest

from tallystick.clock import DAY_US, to_us
from tallystick.errors import BadRequest
from tallystick.web.filters import CATEGORIES, MOST_BYTES, MOST_VALUES, PAGE_SIZE, RANGES, parse_filters, read_filters

NOW = to_us(datetime(2024, 3, 31, 22, 30, tzinfo=UTC))  # half past midnight of the next day in Berlin


def test_a_url_of_filters_leads_to_the_same_filters():
    filters = parse_filters(
        [
            ("q", 'deploy "two words" & more'), ("range", "custom"), ("start", "2024-01-01"), ("end", "2024-01-31"),
            ("tz", "Europe/Berlin"), ("user", "sarah@acme.com"), ("user", "*@x.nl"), ("category", "users"),
            ("status", "failed"), ("resource", "api+infra/ü"), ("live", "1"), ("limit", "25"),
        ]
    )  # fmt: skip
    assert parse_filters(filters.pairs()) == filters


def test_empty_fields_of_a_form_leave_no_trace_in_the_url():
    filters = parse_filters(
        [("q", "  "), ("range", "any"), ("start", ""), ("user_typed", ""), ("category", ""), ("tz", "")]
    )
    assert filters.href() == "/audit-logs"


def test_what_is_typed_in_a_menu_stands_beside_what_is_ticked():
    assert parse_filters([("user", "a@x"), ("user_typed", "b@x"), ("user", "a@x")]).user == ("a@x", "b@x")


def test_days_without_a_range_are_a_custom_range():
    assert parse_filters([("start", "2024-01-15")]).parameters(NOW) == {"start": ("2024-01-15",)}


def test_days_left_in_the_form_beside_another_range_count_for_nothing():
    assert parse_filters([("range", "7d"), ("start", "2024-01-15")]).href() == "/audit-logs?range=7d"


@pytest.mark.parametrize(("name", "days"), [("24h", 1), ("7d", 7), ("30d", 30), ("90d", 90)])
def test_a_range_reaches_back_from_now(name, days):
    start = str(parse_filters([("range", name)]).parameters(NOW)["start"][0])
    assert to_us(datetime.fromisoformat(start)) == NOW - days * DAY_US


@pytest.mark.parametrize(
    ("zone", "midnight"), [("", "2024-03-31T00:00:00+00:00"), ("Europe/Berlin", "2024-04-01T00:00:00+02:00")]
)
def test_today_begins_at_midnight_of_the_zone_shown(zone, midnight):
    assert parse_filters([("range", "today"), ("tz", zone)]).parameters(NOW)["start"] == (midnight,)


@pytest.mark.parametrize("zone", ["Nowhere/Land", "/etc/passwd", "../../etc", "America", "\0", "x" * 5000])
def test_a_zone_that_does_not_exist_is_shown_as_utc(zone):
    assert parse_filters([("tz", zone)]).zone is UTC


def test_each_filter_has_a_chip_that_leads_to_the_others():
    filters = parse_filters(
        [("range", "7d"), ("user", "a@x"), ("user", "b@x"), ("status", "failed"), ("ip", "10.0.0.0/8")]
    )
    chips = {(chip.label, chip.value): chip.without.href() for chip in filters.chips()}
    assert chips == {
        ("Date", "Last 7 days"): "/audit-logs?user=a%40x&user=b%40x&status=failed&ip=10.0.0.0%2F8",
        ("User", "a@x"): "/audit-logs?range=7d&user=b%40x&status=failed&ip=10.0.0.0%2F8",
        ("User", "b@x"): "/audit-logs?range=7d&user=a%40x&status=failed&ip=10.0.0.0%2F8",
        ("Status", "Failed"): "/audit-logs?range=7d&user=a%40x&user=b%40x&ip=10.0.0.0%2F8",
        ("IP Address", "10.0.0.0/8"): "/audit-logs?range=7d&user=a%40x&user=b%40x&status=failed",
    }


def test_a_cursor_of_a_moving_range_goes_on_while_time_passes():
    filters = parse_filters([("range", "24h"), ("q", "deploy")])
    assert filters.cursor_key() == parse_filters([*filters.pairs(), ("live", "1"), ("limit", "25")]).cursor_key()


def test_clearing_keeps_how_the_list_is_shown():
    filters = parse_filters([("q", "x"), ("range", "7d"), ("user", "a@x"), ("tz", "Europe/Berlin"), ("live", "1")])
    assert filters.cleared().href() == "/audit-logs?tz=Europe%2FBerlin&live=1"


def test_the_choices_are_those_people_know():
    assert list(RANGES.values()) == [
        "Today", "Last 24 hours", "Last 7 days", "Last 30 days", "Last 90 days", "Custom range",
    ]  # fmt: skip
    assert list(CATEGORIES.values()) == [
        "Authentication", "Users", "Projects", "Deployments", "Integrations", "Policies",
        "Workflows", "Settings", "Other",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "pairs",
    [
        [("user", f"{number}@x.test") for number in range(MOST_VALUES + 1)],
        [(name, str(number)) for name in ("user", "ip", "action") for number in range(MOST_VALUES // 2)],
        [("q", "x" * (MOST_BYTES + 1))],
        [("tz", "x" * (MOST_BYTES + 1))],
    ],
    ids=["one filter", "several filters", "search", "zone"],
)
def test_filters_that_would_make_a_page_too_large_are_refused(pairs):
    with pytest.raises(BadRequest) as refused:
        read_filters(pairs)
    assert refused.value.code == "query_too_long"
    assert read_filters(pairs[:100] if len(pairs) > 1 else [("q", "x")])


def test_a_number_of_rows_with_thousands_of_digits_is_no_number():
    assert parse_filters([("limit", "9" * 5000)]).rows == PAGE_SIZE
