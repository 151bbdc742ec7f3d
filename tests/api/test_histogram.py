"""GET /v1/audit-logs/histogram: counts by the hours and days of a zone."""

from tests.api.api_client import PATH, event


def test_a_histogram_by_day_begins_its_days_in_the_zone(organization):
    trail = organization()
    shown = trail.get(
        f"{PATH}/histogram", start="2024-03-08", end="2024-03-11", tz="America/New_York", buckets=4
    ).json()
    assert shown["interval_seconds"] == 86_400
    edges = [f"2024-03-{day:02d}T{hour:02d}:00:00.000000Z" for day, hour in ((8, 5), (9, 5), (10, 5), (11, 4), (12, 4))]
    assert [one["start"] for one in shown["buckets"]] == edges[:-1]
    assert [one["end"] for one in shown["buckets"]] == edges[1:]


def test_a_histogram_counts_an_event_on_its_local_day(organization):
    trail = organization()
    trail.record(
        event("user.login", timestamp="2026-09-01T18:29:59Z"),
        event("user.login", timestamp="2026-09-01T18:30:00Z"),
        event("user.login", timestamp="2026-10-25T00:30:00Z"),
        event("user.login", timestamp="2026-10-25T01:30:00Z"),
    )
    shown = trail.get(f"{PATH}/histogram", start="2026-09-01", end="2026-09-02", tz="Asia/Kolkata", buckets=2).json()
    assert [one["success"] for one in shown["buckets"]] == [1, 1]
    # Days of 24 and 25 hours: the store counts by their edges.
    shown = trail.get(f"{PATH}/histogram", start="2026-10-24", end="2026-10-26", tz="Europe/Berlin", buckets=4).json()
    assert [one["success"] for one in shown["buckets"]] == [0, 2, 0]
