"""Intake rules: /v1/intake-rules."""

from functools import partial
from typing import Annotated, Any

from litestar import Request, Response, delete, get, patch, post
from sqlalchemy import Connection

from tallystick.access.decisions import Decision
from tallystick.api.answers import answer
from tallystick.api.authorized_request import AuthorizedRequest, authorize
from tallystick.api.decisions import DecisionResponse
from tallystick.api.dependencies import ApiServices
from tallystick.api.fields import Count, RequestBody, ResponseBody, Time, doc
from tallystick.api.operation import operation
from tallystick.clock import DAY_US, now_us, optional_rfc3339, rfc3339
from tallystick.compliance.intake_preview import AffectedItem, IntakePreview, preview_rule
from tallystick.ingest.dropped_events import read_drops
from tallystick.intake_rules import changes
from tallystick.intake_rules.changes import pending_rules
from tallystick.intake_rules.rule import MOST_RULES, MOST_TEXT, IntakeRule
from tallystick.intake_rules.rule_list import RuleList, find_rule, show_rules
from tallystick.query.scope import Scope

PATH = "/v1/intake-rules"
_act = partial(operation, "Retention", "admin")
_read = partial(operation, "Retention", "admin", "events:read")

Query = Annotated[
    str,
    doc(
        "Which events: a search with qualifiers on columns only, such as `action:project.viewed source:web`.",
        minLength=1,
        maxLength=MOST_TEXT,
    ),
]
Do = Annotated[str, doc("`drop` events before they are recorded, or `keep` them for `days`.", enum=["drop", "keep"])]
KeptDays = Annotated[int, doc("With `keep`: the number of days, at most those of the plan.", minimum=1, maximum=36_500)]
Position = Annotated[
    int, doc("Position in the list, from 1: the first rule that applies decides.", minimum=1, maximum=MOST_RULES)
]


class IntakeRuleInput(RequestBody):
    """An intake rule as sent."""

    query: Query
    do: Do
    days: KeptDays | None = None
    position: Annotated[Position | None, doc("Default: the last.")] = None


class IntakeRuleChange(RequestBody):
    """A change of an intake rule; what is left out stays."""

    days: KeptDays | None = None
    position: Position | None = None


class DroppedLately(ResponseBody):
    """Events that a rule dropped within the last 24 hours."""

    events: Count
    bytes: Count


class IntakeRuleResponse(ResponseBody):
    """An intake rule."""

    id: Annotated[str, doc("`irl_` and 26 characters.")]
    query: Query
    do: Do
    days: KeptDays | None
    position: Position
    in_force: Annotated[bool, doc("Whether it is in force as it stands here.")]
    effective_at: Annotated[Time | None, doc("When it takes effect; null if it is in force.")]
    dropped: DroppedLately
    made_by: Annotated[str, doc("Who made the rule.")]
    made_at: Time

    @classmethod
    def of(cls, found: "_FoundRules", rule: IntakeRule) -> "IntakeRuleResponse":
        in_force = rule in found.rules.in_force
        events, size = found.dropped.get(rule.id, (0, 0))
        return cls(
            id=rule.id,
            query=rule.query,
            do=rule.do,
            days=rule.days,
            position=found.rules.decided.index(rule) + 1,
            in_force=in_force,
            effective_at=None if in_force else optional_rfc3339(found.rules.next_at),
            dropped=DroppedLately(events, size),
            made_by=rule.made_by,
            made_at=rfc3339(rule.made_at),
        )


class IntakeRulesResponse(ResponseBody):
    """The intake rules, in their order."""

    data: list[IntakeRuleResponse]
    effective_at: Annotated[Time | None, doc("When this list takes effect; null if it is in force.")]
    in_force: Annotated[list[str], doc("Ids of the rules in force, in their order.")]
    pending: Annotated[DecisionResponse | None, doc("A change that waits for a second owner.")]


class AffectedResponse(ResponseBody):
    """What would have missed events."""

    id: Annotated[str, doc("Id of the alert rule or case; framework and control of a report's question.")]
    name: str
    events: Annotated[Count, doc("How many.")]
    relation: Annotated[str, doc("`at_most` for an alert rule that looks at more than its search.")]

    @classmethod
    def of(cls, item: AffectedItem) -> "AffectedResponse":
        return cls(item.id, item.name, item.events, "at_most" if item.is_most else "exact")


class IntakePreviewResponse(ResponseBody):
    """What a rule would have done in the past."""

    query: Query
    do: Do
    days: KeptDays | None
    start: Annotated[Time, doc("Events of before were not looked at.")]
    end: Annotated[Time, doc("Events from then on were not looked at.")]
    partial: Annotated[bool, doc("There was no time to look at all of them: the numbers are at least these.")]
    events: Annotated[Count, doc("Number of events that would have been dropped, or deleted earlier.")]
    bytes: Annotated[Count, doc("Their size as stored, without indexes and compression.")]
    alert_rules: Annotated[list[AffectedResponse], doc("Alert rules and detections that would not have seen some.")]
    questions: Annotated[list[AffectedResponse], doc("Questions of reports that would not count some.")]
    cases: Annotated[list[AffectedResponse], doc("Cases that hold some of them.")]

    @classmethod
    def of(cls, found: IntakePreview) -> "IntakePreviewResponse":
        return cls(
            query=found.query,
            do=found.do,
            days=found.days,
            start=rfc3339(found.start),
            end=rfc3339(found.end),
            partial=found.is_partial,
            events=found.events,
            bytes=found.bytes,
            alert_rules=list(map(AffectedResponse.of, found.alert_rules)),
            questions=list(map(AffectedResponse.of, found.questions)),
            cases=list(map(AffectedResponse.of, found.cases)),
        )


class _FoundRules:
    """The rules of an organization, what waits, and by rule what was dropped lately: events and bytes."""

    def __init__(self, connection: Connection, scope: Scope) -> None:
        now = now_us()
        self.rules: RuleList = show_rules(connection, scope, now=now)
        self.pending: Decision | None = pending_rules(connection, scope, now)
        self.dropped: dict[str, tuple[int, int]] = {}
        for _, rule_id, events, size in read_drops(connection, scope.org_id, now - DAY_US):
            before = self.dropped.get(rule_id, (0, 0))
            self.dropped[rule_id] = before[0] + events, before[1] + size


@get(PATH, opt=_read())
async def list_intake_rules(request: Request[Any, Any, Any], services: ApiServices) -> Response[IntakeRulesResponse]:
    """List intake rules.

    In their order, as people last decided; `in_force` says which are in force today.
    """
    authorized = await authorize(request, services)
    found = await authorized.read(_FoundRules)
    pending = None if found.pending is None else DecisionResponse.of(found.pending)
    data = [IntakeRuleResponse.of(found, rule) for rule in found.rules.decided]
    in_force = [rule.id for rule in found.rules.in_force]
    return answer(IntakeRulesResponse(data, optional_rfc3339(found.rules.next_at), in_force, pending))


@post(PATH, opt=_read(body=IntakeRuleInput, problems=(409,)))
async def add_intake_rule(request: Request[Any, Any, Any], services: ApiServices) -> Response[IntakeRuleResponse]:
    """Add an intake rule.

    Only people let events be dropped or kept for a shorter time: the answer to an API key is 403 `person_required`
    then, with the page where an owner does it, and where there are two owners a second one confirms. Such a rule takes
    effect a day later. A rule that keeps events as long as the plan, so that rules below it do not apply to them,
    takes effect at once.
    """
    authorized = await authorize(request, services)
    body = await authorized.body(IntakeRuleInput, "intake rule", "bad_intake_rule")
    rule = await authorized.write(changes.add_rule, body.query, body.do, body.days, body.position, **authorized.context)
    return await _show(authorized, rule.id)


@post(PATH + "/preview", status_code=200, opt=_read("alerts", body=IntakeRuleInput))
async def preview_intake_rule(
    request: Request[Any, Any, Any], services: ApiServices
) -> Response[IntakePreviewResponse]:
    """Preview an intake rule.

    How many events and bytes it would have saved, and which alert rules, questions of reports and cases would have
    missed some: for `drop` of the last 30 days, for `keep` of all events that are older than its days. Nothing is
    changed.
    """
    authorized = await authorize(request, services)
    body = await authorized.body(IntakeRuleInput, "intake rule", "bad_intake_rule")
    found = await services.pools.searches.run(
        authorized.scope, preview_rule, services.database, services.store, authorized.scope,
        body.query, body.do, body.days, body.position, frameworks=services.settings.compliance_dir, now=now_us(),
    )  # fmt: skip
    return answer(IntakePreviewResponse.of(found))


@get(PATH + "/{id:str}", opt=_read())
async def show_intake_rule(request: Request[Any, Any, Any], services: ApiServices) -> Response[IntakeRuleResponse]:
    """Get an intake rule."""
    authorized = await authorize(request, services)
    return await _show(authorized, authorized.id)


@patch(PATH + "/{id:str}", opt=_read(body=IntakeRuleChange, problems=(409,)))
async def change_intake_rule(request: Request[Any, Any, Any], services: ApiServices) -> Response[IntakeRuleResponse]:
    """Change an intake rule.

    Its days, or its position in the list. A change that keeps any event for a shorter time is for people, as adding
    such a rule is; any other takes effect at once.
    """
    authorized = await authorize(request, services)
    body = await authorized.body(IntakeRuleChange, "change of an intake rule", "bad_intake_rule")
    await authorized.write(changes.change_rule, authorized.id, body.days, body.position, **authorized.context)
    return await _show(authorized, authorized.id)


@delete(PATH + "/{id:str}", opt=_read(problems=(409,)))
async def remove_intake_rule(request: Request[Any, Any, Any], services: ApiServices) -> None:
    """Remove an intake rule.

    At once, unless a rule below it then applies to events that this one kept for longer: that is for people, as adding
    such a rule is.
    """
    authorized = await authorize(request, services)
    await authorized.write(changes.remove_rule, authorized.id, **authorized.context)


async def _show(authorized: AuthorizedRequest, public_id: str) -> Response[IntakeRuleResponse]:
    found = await authorized.read(_FoundRules)
    return answer(IntakeRuleResponse.of(found, find_rule(found.rules.decided, public_id)))
