"""Actions: the built-in catalogue, the organization's own descriptions, and what was recorded without either."""

from functools import partial
from typing import Annotated, Any

from litestar import Request, Response, delete, get, put
from msgspec import UNSET, UnsetType

from tallystick.actions import changes
from tallystick.api.answers import answer
from tallystick.api.authorization import authorize_scope
from tallystick.api.authorized_request import authorize
from tallystick.api.dependencies import ApiServices
from tallystick.api.fields import Count, MissingRanges, RequestBody, ResponseBody, doc, index_pairs
from tallystick.api.operation import operation
from tallystick.api.parameters import Parameters
from tallystick.events.action_catalogue import ActionDescription, SchemaMode
from tallystick.events.catalogue import Category, Severity, Status, category_of
from tallystick.events.sentence_template import KNOWN_BLANKS, MAX_TEMPLATE
from tallystick.search.action_list import ActionOrigin, ListedAction, list_actions

PATH = "/v1/actions"
_change = partial(operation, "Actions", "admin")

CategoryField = Annotated[Category, doc("Category of its events, unless they give another.")]
StatusField = Annotated[Status, doc("Status of its events, unless they give another.")]
SeverityField = Annotated[Severity, doc("Severity of its events, unless they give another.")]
Sentence = Annotated[str, doc(f"Template of `summary`, with {KNOWN_BLANKS}; empty for none.", maxLength=MAX_TEMPLATE)]
Description = Annotated[str, doc("What it means.", maxLength=changes.MAX_DESCRIPTION)]
Schema = Annotated[
    dict[str, Any] | None,
    doc("JSON Schema (draft 2020-12) of the object with `changes` and `metadata` of its events."),
]
Mode = Annotated[
    SchemaMode,
    doc("What happens to an event that does not fit `schema`: recorded with `schema_warnings`, or refused."),
]


class ActionInput(RequestBody):
    """The description of an action as sent; it replaces an earlier one."""

    category: Annotated[Category, doc("Default: that of the longest known beginning.")] | UnsetType = UNSET
    status: StatusField = "success"
    severity: SeverityField = "info"
    sentence: Sentence = ""
    description: Description = ""
    schema: Schema = None
    mode: Mode = "warn"

    def described(self, action: str) -> ActionDescription:
        return ActionDescription(
            action=action,
            category=category_of(action) if self.category is UNSET else self.category,
            status=self.status,
            severity=self.severity,
            sentence=self.sentence,
            description=self.description,
            schema=self.schema,
            mode=self.mode,
        )


class ActionResponse(ResponseBody):
    """An action, its defaults, and how many events have it."""

    action: Annotated[str, doc("The action, as `noun.verb`.")]
    known: Annotated[bool, doc("Whether it is built in, or described by the organization.")]
    origin: Annotated[
        ActionOrigin, doc("`built_in`; `own`, described by the organization; `seen`, recorded and described by nobody.")
    ]
    category: CategoryField
    status: StatusField
    severity: SeverityField
    sentence: Sentence
    events: Annotated[Count, doc("Number of events with this action.")]
    description: Description
    schema: Schema
    mode: Mode

    @classmethod
    def of(cls, listed: ListedAction) -> "ActionResponse":
        described = listed.description
        return cls(
            action=described.action,
            known=listed.origin != "seen",
            origin=listed.origin,
            category=described.category,
            status=described.status,
            severity=described.severity,
            sentence=described.sentence,
            events=listed.events,
            description=described.description,
            schema=None if described.schema is None else dict(described.schema),
            mode=described.mode,
        )


class ActionDescriptionResponse(ResponseBody):
    """An organization's description of one of its actions."""

    action: Annotated[str, doc("The action, as `noun.verb`.")]
    category: CategoryField
    status: StatusField
    severity: SeverityField
    sentence: Sentence
    description: Description
    schema: Schema
    mode: Mode


class ActionsResponse(ResponseBody):
    """All actions by name."""

    data: list[ActionResponse]
    partial: Annotated[bool, doc("Not every event or action could be counted.")]
    missing: MissingRanges = UNSET


@get(PATH, opt=operation("Actions", "events:read", serves_filtered=True))
async def show_actions(request: Request[Any, Any, Any], services: ApiServices) -> Response[ActionsResponse]:
    """List actions.

    The built-in actions, those that the organization has described, and those that were recorded without being either,
    by name.
    """
    reader = await authorize_scope(request, services)
    Parameters.of(request)
    found = await services.pools.searches.run(reader, list_actions, services.finder, reader)
    data = [ActionResponse.of(listed) for listed in found.actions]
    return answer(ActionsResponse(data, found.partial, index_pairs(found.missing)))


@put(PATH + "/{name:str}", opt=_change(body=ActionInput, problems=(409, 422)))
async def describe_action(
    request: Request[Any, Any, Any], services: ApiServices
) -> Response[ActionDescriptionResponse]:
    """Describe an action.

    Gives an action of the organization's own a category, a default status and severity, a sentence and a schema, or
    replaces them. The defaults apply to events that are recorded from now on; the sentence is shown for earlier events
    too, and its words find them. Built-in actions cannot be described.
    """
    authorized = await authorize(request, services)
    body = await authorized.body(ActionInput, "description", "bad_description", empty=b"{}")
    wanted = body.described(authorized.path("name"))
    described = await authorized.write(changes.describe_action, wanted, **authorized.context)
    services.finder.catalogues.forget(authorized.scope.org_id)
    return answer(
        ActionDescriptionResponse(
            described.action,
            described.category,
            described.status,
            described.severity,
            described.sentence,
            described.description,
            None if described.schema is None else dict(described.schema),
            described.mode,
        )
    )


@delete(PATH + "/{name:str}", status_code=204, opt=_change(problems=(404,)))
async def remove_description(request: Request[Any, Any, Any], services: ApiServices) -> None:
    """Remove the description of an action.

    Its events keep the category, status and severity that they were recorded with.
    """
    authorized = await authorize(request, services)
    await authorized.write(changes.remove_description, authorized.path("name"), **authorized.context)
    services.finder.catalogues.forget(authorized.scope.org_id)
