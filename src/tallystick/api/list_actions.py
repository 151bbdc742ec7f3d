"""The actions: those of the catalogue, and those that were recorded without being in it."""

from functools import partial
from typing import Any

from litestar import Request, Response, get

from tallystick.api.answers import answer
from tallystick.api.authorization import authorised
from tallystick.api.parameters import Parameters
from tallystick.api.parts import Parts
from tallystick.events.catalogue import CATALOGUE, category_of, severity_of, status_of
from tallystick.query.conditions import Query
from tallystick.search.counts import MOST_VALUES


@get("/v1/actions", name="api.list_actions")
async def list_actions(request: Request[Any, Any, Any], parts: Parts) -> Response[Any]:
    """Every action by name, with how many events of it the reader may see.

    `partial` when counting took too long, or more actions occur than are counted.
    """
    reader = await authorised(request, parts, "events:read")
    Parameters.of(request, ())
    counted = await parts.database.run(partial(parts.finder.facets, reader, Query(), "action", limit=MOST_VALUES))
    events = {value["value"]: value["count"] for value in counted["values"]}
    data = [
        {
            "action": action,
            "known": action in CATALOGUE,
            "category": category_of(action),
            "status": status_of(action),
            "severity": severity_of(action),
            "events": events.get(action, 0),
        }
        for action in sorted(CATALOGUE.keys() | events.keys())
    ]
    return answer({"data": data, "partial": counted["partial"] or len(events) >= MOST_VALUES})
