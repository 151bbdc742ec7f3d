"""What the page offers where a search finds nothing: searches near it that find something."""

import html
import re
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from tallystick.clock import to_us
from tallystick.query.scope import Scope
from tallystick.search.alternatives import alternatives, spelling_variants
from tallystick.web.filters import Filters
from tallystick.web.proposals import nearest_spelling, proposals
from tests.fixtures.spine import Spine

NOW = to_us(datetime(2024, 2, 1, tzinfo=UTC))
EVENT: dict[str, Any] = {
    "action": "project.created",
    "actor": {"type": "user", "id": "usr_prop", "email": "petra+vpn@acme.com", "name": "Petra Proposal"},
    "resource": {"type": "project", "name": "İzmir archive"},
    "metadata": {"squad": "proposers"},
    "external_id": "nightly-proposal-run",
    "timestamp": "2024-01-15T09:00:00Z",
}


def offered(spine: Spine, scope: Scope, **chosen: Any) -> list[str]:
    return [one.text for one in proposals(scope, spine.finder, Filters(**chosen), NOW, seconds=60)]


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({"q": "petar"}, "petra"),
        ({"q": "porject"}, "project"),
        ({"q": "arvhice"}, "archive"),
        ({"q": "creaetd"}, "created"),
        ({"q": "archvi"}, "archiv"),  # the beginning of one
        ({"q": "petrra"}, "petra"),
        ({"q": "user:petra"}, "user:petra*"),
        ({"q": "user:nightly-proposal-run"}, "external_id:nightly-proposal-run"),
        ({"q": "nightly-proposal-run"}, "external_id:nightly-proposal-run"),
        ({"q": "resource:petra+vpn@acme.com"}, "user:petra+vpn@acme.com"),
        ({"q": "2024-01-15"}, "on:2024-01-15"),
        ({"q": "izmir"}, '"i\u0307zmir"'),
        ({"q": "squad:proposers"}, "metadata.squad:proposers"),
        ({"q": "changes.squad:proposers"}, "metadata.squad:proposers"),
        ({"q": "metadata.squad:prop*"}, "metadata.squad:prop"),
        ({"q": "user:petra vpn@acme.com"}, "user:petra+vpn@acme.com"),
        ({"user": ("petra",)}, "petra*"),
        ({"q": "there-is-no-such-thing-anywhere"}, None),
        ({"q": "squad:nobody or petra"}, "squad:nobody OR petra"),
    ],
)
def test_an_empty_list_offers_what_finds_something(
    sqlite_spine: Spine, chosen: dict[str, Any], expected: str | None
) -> None:
    scope = sqlite_spine.organization()
    sqlite_spine.record(scope, EVENT)
    sqlite_spine.ship()
    found = offered(sqlite_spine, scope, **chosen)
    assert (expected in found) if expected else found == []


def test_another_organization_has_no_part_in_what_is_offered(sqlite_spine: Spine) -> None:
    sqlite_spine.record(sqlite_spine.organization(), EVENT)
    sqlite_spine.ship()
    other = sqlite_spine.organization("other")
    assert offered(sqlite_spine, other, q="user:petra petar izmir") == []


def test_the_page_shows_an_offer_that_leads_to_its_events(town):
    name, value = town.session("alice@acme.com")
    with httpx.Client(base_url=town.server.url, cookies={name: value}) as page:
        shown = page.get("/audit-logs?q=user:sarah").text
        link = re.search(r'<a href="([^"]*)"[^>]*class="proposal"><code>(.*?)</code>', shown)
        assert link is not None
        assert link[2] == "user:sarah*"
        assert "deployment.failed" in page.get(html.unescape(link[1])).text
        assert 'class="proposal"' not in page.get("/audit-logs?q=sarah").text


@pytest.mark.parametrize(
    ("term", "other"),
    [
        ("15.01.2024", "on:2024-01-15"),
        ("deploy.*", "deploy*"),
        ("^deploy", "deploy"),
        ("deploy~2", "deploy"),
        ('"a b"', "a b"),
        ("user:10.0.0.7", "ip:10.0.0.7"),
        ("user:deployment.failed", "action:deployment.failed*"),
        ("user:a b", 'user:"a b*"'),
        ("changes.plan:=pro", "changes.plan:pro"),
        ("changes.plan:pro", "changes:pro"),
    ],
)
def test_a_term_has_other_readings(term, other):
    assert other in [one.term for one in alternatives(term)]


def test_a_text_is_spelt_in_other_ways():
    assert "istanbul" in list(spelling_variants("İstanbul"))
    assert "i\u0307stanbul" in list(spelling_variants("Istanbul"))
    assert "jose" in list(spelling_variants("José"))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("deplyo", "deploy"),
        ("depoly", "deploy"),
        ("deploi", "deploy"),
        ("dpeloyment", "deployment"),
        ("deploymnet", "deployment"),
        ("depploy", "deploy"),
        ("rolback", "rollback"),
        ("rollbakc", "rollback"),
        ("faild", "failed"),
        ("zzzz", None),
        ("de", None),
        ("d" * 65, None),
    ],
)
def test_a_near_spelling_is_a_whole_word_or_as_long_a_beginning(written: str, expected: str | None) -> None:
    words = {"deployment", "failed", "rollback", "started"}
    assert nearest_spelling(written, [], words) == expected


def test_a_misspelt_word_of_a_sentence_is_offered_as_it_is_written(sqlite_spine: Spine) -> None:
    scope = sqlite_spine.organization()
    sqlite_spine.record(scope, {**EVENT, "action": "deployment.completed"})
    sqlite_spine.ship()
    assert "deployed" in offered(sqlite_spine, scope, q="depolyed")
