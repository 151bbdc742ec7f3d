"""What a page notes for whoever looks at it: what it shows, and nothing where it shows nothing."""

from types import SimpleNamespace
from uuid import UUID

import pytest

from tallystick.access.audit import NOWHERE
from tallystick.access.scopes import operator_scope
from tallystick.web import completion
from tallystick.web.filters import Filters
from tallystick.web.viewer import Viewer

SCOPE = operator_scope(UUID(int=1))


class Notes:
    """Stands for the recorder: what it was given."""

    def __init__(self) -> None:
        self.lists: list[dict[str, list[str]]] = []

    def note_list(self, _scope, _caller, given, **_more) -> None:
        self.lists.append(given)


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.mark.parametrize("filters", [Filters(q='"open'), Filters(ip=("nonsense",)), Filters(user=("\0",))])
def test_a_search_that_is_not_valid_shows_nothing_and_is_not_noted(notes, filters):
    Viewer(notes, SCOPE, NOWHERE).note_list(filters, is_supplement=True)
    assert notes.lists == []


def test_a_valid_one_is_noted_without_what_only_changes_the_look(notes):
    Viewer(notes, SCOPE, NOWHERE).note_list(Filters(q="deploy", columns="time", limit="9", live="1"))
    assert notes.lists == [{"q": ["deploy"]}]


@pytest.mark.parametrize(("finds", "shown"), [(True, Filters(q="deploy")), (False, Filters())])
def test_values_of_all_events_are_noted_as_those_and_not_as_those_of_a_search_that_finds_none(finds, shown):
    def facets(_scope, query, _name, **_more):
        return {"values": [{"value": "maya@acme.com", "count": 1}] if finds or not query.needles else []}

    finder = SimpleNamespace(facets=facets)
    values, filters = completion._values(finder, SCOPE, Filters(q="deploy"), "user", "maya")
    assert values == [("maya@acme.com", 1)]
    assert filters == shown
