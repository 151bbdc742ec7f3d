"""The actions of one organization's log: built-in ones, its own descriptions, and those seen without either."""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from tallystick.events.action_catalogue import ActionCatalogue, ActionDescription
from tallystick.events.catalogue import CATALOGUE
from tallystick.journal.missing_ranges import IndexRange
from tallystick.query.conditions import EVERYTHING, Query
from tallystick.query.scope import Scope
from tallystick.search.counts import MOST_VALUES
from tallystick.search.find import Finder

ActionOrigin = Literal["built_in", "own", "seen"]


class ListedAction(NamedTuple):
    """An action with its defaults, and the number of its events; `seen`: recorded, but described by nobody."""

    origin: ActionOrigin
    description: ActionDescription
    events: int


class ActionList(NamedTuple):
    """The actions by name; `partial`: not every event or action could be counted."""

    actions: list[ListedAction]
    partial: bool
    missing: Sequence[IndexRange]


def list_actions(finder: Finder, scope: Scope) -> ActionList:
    """The actions with the number of the events that the scope may read. Blocks.

    Whoever reads a part of the log gets, of the organization's own descriptions, those of the actions found in it.
    """
    catalogue = finder.catalogues.of(scope.org_id)
    counted = finder.facets(scope, Query(), "action", limit=MOST_VALUES)
    events = {value["value"]: value["count"] for value in counted["values"]}
    own = catalogue.own.keys() if scope.mandatory == EVERYTHING else catalogue.own.keys() & events.keys()
    names = sorted(CATALOGUE.keys() | own | events.keys())
    missing = counted.get("missing", ())
    partial = counted["partial"] or bool(missing) or len(events) >= MOST_VALUES
    return ActionList(list(_listed(catalogue, names, events)), partial, missing)


def _listed(catalogue: ActionCatalogue, names: Sequence[str], events: dict[str, int]) -> Iterator[ListedAction]:
    for name in names:
        number = events.get(name, 0)
        if name in catalogue.own:
            yield ListedAction("own", catalogue.own[name], number)
            continue
        category, status, severity = catalogue.defaults(name)
        built_in = CATALOGUE.get(name)
        described = ActionDescription(
            action=name,
            category=category,
            status=status,
            severity=severity,
            sentence=built_in.sentence if built_in else "",
        )
        yield ListedAction("built_in" if built_in else "seen", described, number)
