"""The Actions page: the organization's own descriptions, actions seen without one, and the form that describes one."""

from dataclasses import dataclass, field
from typing import Any

import msgspec
from litestar import Response, get, post

from tallystick.access.scopes import require_whole_trail
from tallystick.actions import changes
from tallystick.errors import BadRequest, Conflict, Invalid
from tallystick.events.action_catalogue import SCHEMA_MODES, ActionDescription
from tallystick.events.catalogue import SEVERITIES, Category, Severity, Status, category_of
from tallystick.events.sentence_template import example_details, template_problem
from tallystick.events.summary import template_summary
from tallystick.query.scope import Scope
from tallystick.search.action_list import ActionList, list_actions
from tallystick.search.find import Finder
from tallystick.web.dependencies import FinderDep, FrameDep, Injected, PoolsDep, UserScopeDep, ViewerDep, WebRequest
from tallystick.web.event_row import STATUS_LABELS
from tallystick.web.filters import CATEGORIES
from tallystick.web.form_request import FormRequest, FormRequestDep
from tallystick.web.page_access import ADMINS, WHOLE_TRAIL
from tallystick.web.page_frame import PageFrame
from tallystick.web.templating import html, redirect
from tallystick.web.viewer import Viewer
from tallystick.work.request_pools import RequestPools

PATH = "/actions"
FIELDS = ("action", "category", "status", "severity", "sentence", "description", "schema", "mode")
NEW = {"category": "other", "status": "success", "severity": "info", "mode": "warn"}
MODES = {"warn": "Record it, with a warning to the sender", "refuse": "Refuse it"}
MOST_SHOWN = 200  # actions without a description


@dataclass(frozen=True, slots=True)
class ActionForm:
    """The state of the form: the typed values, and the error of each field."""

    typed: dict[str, str] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class ActionsPage:
    """Renders the Actions page, also after an invalid form."""

    scope: Scope
    frame: PageFrame
    pools: RequestPools
    finder: Finder
    viewer: Viewer

    async def show(self, form: ActionForm, *, status: int = 200) -> Response[str]:
        """The rendered page, with the form in this state."""
        require_whole_trail(self.scope)
        found: ActionList = await self.pools.searches.run(self.scope, list_actions, self.finder, self.scope)
        self.viewer.note_page("actions")
        seen = sorted(
            (one for one in found.actions if one.origin == "seen"),
            key=lambda one: (-one.events, one.description.action),
        )
        typed = {name: form.typed.get(name, NEW.get(name, "")) for name in FIELDS}
        return html(
            "actions.html",
            status=status,
            frame=self.frame.at("actions"),
            own=[one for one in found.actions if one.origin == "own"],
            seen=seen[:MOST_SHOWN],
            more_seen=max(0, len(seen) - MOST_SHOWN),
            partial=found.partial,
            typed=typed,
            problems=form.problems,
            is_open=form.is_open,
            example=example_of(typed["sentence"]),
            may_admin="admin" in self.scope.permissions,
            categories=CATEGORIES,
            statuses=list(STATUS_LABELS.items()),
            severities=[(one, one.capitalize()) for one in SEVERITIES],
            modes=MODES,
        )


ActionsPageDep = Injected[ActionsPage]


async def provide_actions_page(
    user_scope: UserScopeDep, frame: FrameDep, pools: PoolsDep, finder: FinderDep, viewer: ViewerDep
) -> ActionsPage:
    """The Actions page of this request."""
    return ActionsPage(user_scope, frame, pools, finder, viewer)


@get(PATH, name="web.actions", opt=WHOLE_TRAIL)
async def show_actions_page(request: WebRequest, actions_page: ActionsPageDep) -> Response[str]:
    """The page; `describe` names the action in the form. Raises Forbidden for members."""
    action = request.query_params.get("describe", "")[:100]
    if not action:
        return await actions_page.show(ActionForm())
    scope, catalogues = actions_page.scope, actions_page.finder.catalogues
    described = (await actions_page.pools.short.run(scope, catalogues.of, scope.org_id)).own.get(action)
    typed = {"action": action, "category": category_of(action)} if described is None else _typed(described)
    return await actions_page.show(ActionForm(typed, is_open=True))


@get(PATH + "/example", name="web.actions.example", opt=WHOLE_TRAIL)
async def show_example(request: WebRequest, user_scope: UserScopeDep) -> Response[str]:
    """The sentence as it is typed, filled in with an example, as a fragment."""
    require_whole_trail(user_scope)
    return html("action_example.html", example=example_of(request.query_params.get("sentence", "")[:1000]))


@post(PATH, name="web.actions.describe", status_code=303, opt=ADMINS)
async def describe(form_request: FormRequestDep, actions_page: ActionsPageDep) -> Response[str]:
    """Describes an action, or replaces its description."""
    typed = form_request.texts(*FIELDS)
    try:
        await form_request.write(changes.describe_action, _description_of(typed), **form_request.context)
    except (BadRequest, Conflict, Invalid) as problem:
        named = str(problem.extra.get("field", "action")).partition(".")[0]
        problems = {named if named in FIELDS else "action": problem.detail}
        return await actions_page.show(ActionForm(typed, problems, is_open=True), status=problem.status)
    _forget(actions_page, form_request)
    return redirect(f"{PATH}#own")


@post(PATH + "/{action:str}/remove", name="web.actions.remove", status_code=303, opt=ADMINS)
async def remove(action: str, form_request: FormRequestDep, actions_page: ActionsPageDep) -> Response[str]:
    """Removes the description of an action."""
    await form_request.write(changes.remove_description, action, **form_request.context)
    _forget(actions_page, form_request)
    return redirect(f"{PATH}#own")


def example_of(sentence: str) -> tuple[str, str]:
    """The sentence filled in with an example, and what is wrong with it; one of both is empty."""
    if not sentence.strip():
        return "", ""
    problem = template_problem(sentence.strip())
    if problem:
        return "", problem
    actor, resource = {"type": "user", "name": "Sarah Lin"}, {"type": "project", "name": "api-infrastructure"}
    return template_summary(sentence.strip(), actor, resource, example_details(sentence)), ""


def _forget(page: ActionsPage, form_request: FormRequest) -> None:
    page.finder.catalogues.forget(form_request.scope.org_id)


def _description_of(typed: dict[str, str]) -> ActionDescription:
    """The description that the form describes. Raises BadRequest (`bad_description`) for what it cannot hold."""
    schema: Any = None
    if typed["schema"]:
        try:
            schema = msgspec.json.decode(typed["schema"], type=dict[str, Any])
        except (msgspec.DecodeError, RecursionError) as error:
            detail = f"The schema is not a JSON object: {error}."
            raise BadRequest(detail, code="bad_description", field="schema") from None
    return ActionDescription(
        action=typed["action"],
        category=_choice(typed, "category", Category),
        status=_choice(typed, "status", Status),
        severity=_choice(typed, "severity", Severity),
        sentence=typed["sentence"],
        description=typed["description"],
        schema=schema,
        mode="refuse" if typed["mode"] == SCHEMA_MODES[1] else "warn",
    )


def _choice(typed: dict[str, str], name: str, kind: Any) -> Any:
    try:
        return msgspec.convert(typed[name], kind)
    except msgspec.ValidationError:
        raise BadRequest(f"Choose a {name} of the list.", code="bad_description", field=name) from None


def _typed(described: ActionDescription) -> dict[str, str]:
    values = {name: str(getattr(described, name)) for name in FIELDS if name != "schema"}
    schema = "" if described.schema is None else msgspec.json.format(msgspec.json.encode(described.schema)).decode()
    return values | {"schema": schema}
