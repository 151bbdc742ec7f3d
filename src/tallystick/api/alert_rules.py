"""Alert rules: /v1/alert-rules."""

from functools import partial
from typing import Annotated, Any, get_args

from litestar import Request, Response, delete, get, patch, post
from msgspec import UNSET, Meta, UnsetType

from tallystick.alerts import changes, rule_import
from tallystick.alerts.changes import RuleSettings
from tallystick.alerts.definition import (
    KINDS,
    LONGEST,
    MOST_COUNT,
    PLACEHOLDERS,
    Field,
    RuleDefinition,
    Where,
)
from tallystick.alerts.rule import Rule, describe, list_rules, read_rule
from tallystick.alerts.rules_file import write_rules
from tallystick.api.answers import answer, encoded_answer
from tallystick.api.authorized_request import MOST_JSON_BYTES, authorize
from tallystick.api.dependencies import ApiServices
from tallystick.api.fields import RequestBody, ResponseBody, Time, doc, given_fields
from tallystick.api.operation import operation
from tallystick.clock import optional_rfc3339, rfc3339
from tallystick.events.catalogue import SEVERITIES
from tallystick.http.body import read_body

PATH = "/v1/alert-rules"
YAML = "application/yaml"
# The second is for generated clients, few of which know YAML.
_FILE = {YAML: {"type": "string"}, "application/octet-stream": {"type": "string", "format": "binary"}}
# Fields of a rule that are no part of what it evaluates.
DISPLAY_FIELDS = ("name", "severity", "runbook", "destinations", "enabled")
_operation = partial(operation, "Alerts", "alerts", "events:read")

_KINDS = doc(
    "`threshold`: `count` events of one group within the window. `sequence`: `count` events that match "
    "`query`, then one that matches `then`, with none between that matches `unless`. `first_seen`: a value of the "
    "field `new` that the group never had before, or not for the window. `dormant`: the group was inactive for the "
    "window and acts again. `off_hours`: an hour of the day at which the group is not usually active. `silence`: no "
    "event for the window.",
    enum=list(KINDS),
)
_WINDOW = doc(
    "Length of the window. Windows follow event timestamps and are evaluated in recording order: an event "
    "fires the rule if a window of this length that contains it holds enough events of its group, up to its own index.",
    minimum=0,
    maximum=LONGEST,
)
_COUNT = doc(
    "Number of events, or of different values of `distinct`, that fire the rule.", minimum=1, maximum=MOST_COUNT
)
_COOLDOWN = doc(
    "After firing, the group stays silent for this long, by event timestamp. Default: `window_seconds`.",
    minimum=0,
    maximum=LONGEST,
)
_WHERE = doc("A condition that the search language cannot express.", enum=[*filter(None, get_args(Where)), None])
_SEVERITY = doc("Severity of its alerts.", enum=list(SEVERITIES))
Name = Annotated[str, doc("Name, at most 100 characters; the title of its messages.")]
Query = Annotated[str, doc("Search that events must match, without a time range. Empty: every event.")]
GroupBy = Annotated[
    Field | None, doc("Counts each value of this field separately; events without a value are ignored.")
]
Distinct = Annotated[Field | None, doc("Counts different values of this field instead of events.")]
Then = Annotated[str | None, doc("Search for the event that completes a sequence.")]
ThenGroupBy = Annotated[
    Field | None, doc("Field of the completing event that must equal the group. Default: `group_by`.")
]
Unless = Annotated[str | None, doc("Search for events that break a sequence.")]
New = Annotated[Field | None, doc("Field whose first value counts, for `first_seen`.")]
Says = Annotated[
    str | None, doc(f"Sentence of the alert. It may contain {', '.join(f'{{{slot}}}' for slot in PLACEHOLDERS)}.")
]
Runbook = Annotated[str | None, doc("Link or instruction for whoever handles the alert; one line.")]
Destinations = Annotated[list[str], doc("Ids of the destinations that get its alerts.", maxItems=20)]
Words = Annotated[str, doc("What fires the rule, in words.")]


class AlertRuleInput(RequestBody):
    """An alert rule as sent. Which fields a rule needs depends on its `kind`."""

    name: Name | UnsetType = UNSET
    kind: Annotated[str | None, _KINDS] | UnsetType = UNSET
    query: Annotated[Query | None, Meta()] | UnsetType = UNSET
    count: Annotated[int | None, _COUNT] | UnsetType = UNSET
    window_seconds: Annotated[int | None, _WINDOW] | UnsetType = UNSET
    group_by: GroupBy | UnsetType = UNSET
    distinct: Distinct | UnsetType = UNSET
    then: Then | UnsetType = UNSET
    then_group_by: ThenGroupBy | UnsetType = UNSET
    unless: Unless | UnsetType = UNSET
    new: New | UnsetType = UNSET
    where: Annotated[str | None, _WHERE] | UnsetType = UNSET
    cooldown_seconds: Annotated[int | None, _COOLDOWN] | UnsetType = UNSET
    says: Says | UnsetType = UNSET
    severity: Annotated[str, _SEVERITY] | UnsetType = UNSET
    runbook: Annotated[str, doc("Link or instruction; one line.")] | UnsetType = UNSET
    destinations: Destinations | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET

    def display(self) -> dict[str, Any]:
        """The sent fields beside what the rule evaluates."""
        return {name: value for name, value in given_fields(self).items() if name in DISPLAY_FIELDS}

    def definition(self) -> dict[str, Any]:
        """The sent fields of what the rule evaluates, including those that are null."""
        given = given_fields(self)
        return {name: given[name] for name in RuleDefinition.__struct_fields__ if name in given}

    def rule(self) -> RuleSettings:
        """The rule. Unless the cool-down was sent, it is as long as the window."""
        definition = self.definition()
        if "cooldown_seconds" not in definition and isinstance(definition.get("window_seconds"), int):
            definition["cooldown_seconds"] = definition["window_seconds"]
        return RuleSettings(**{"name": "Rule"} | self.display(), definition=_without_null(definition))


class AlertRuleChange(AlertRuleInput):
    """Changes to an alert rule. Fields that are left out keep their value."""


class AlertMute(RequestBody):
    """For how long a rule is muted."""

    seconds: Annotated[int, doc("0 unmutes the rule.", minimum=0, maximum=LONGEST)]


class AlertRuleResponse(ResponseBody):
    """An alert rule."""

    id: Annotated[str, doc("`rul_` and 26 characters.")]
    name: Name
    words: Words
    query: Query
    kind: Annotated[str, _KINDS]
    count: Annotated[int, _COUNT]
    window_seconds: Annotated[int, _WINDOW]
    group_by: GroupBy
    distinct: Distinct
    then: Then
    then_group_by: ThenGroupBy
    unless: Unless
    new: New
    where: Annotated[str | None, _WHERE]
    cooldown_seconds: Annotated[int, _COOLDOWN]
    says: Says
    severity: Annotated[str, _SEVERITY]
    runbook: Runbook
    detection: Annotated[str | None, doc("Id of the detection that the rule was made from.")]
    destinations: Destinations
    enabled: bool
    learning: Annotated[
        bool, doc("The rule is still reading past events; it starts to evaluate once it has a baseline.")
    ]
    muted_until: Time | None
    last_fired_at: Time | None
    created_by: Annotated[str, doc("Who created the rule.")]
    created_at: Time

    @classmethod
    def of(cls, rule: Rule) -> "AlertRuleResponse":
        fields = {name: getattr(rule.definition, name) for name in RuleDefinition.__struct_fields__}
        definition: dict[str, Any] = {name: value if value != "" else None for name, value in fields.items()}
        return cls(
            **definition | {"query": rule.definition.query},
            id=rule.public_id,
            name=rule.name,
            words=describe(rule.definition),
            severity=rule.severity,
            runbook=rule.runbook or None,
            detection=rule.detection or None,
            destinations=list(rule.destinations),
            enabled=rule.enabled,
            learning=rule.enabled and not rule.learnt,
            muted_until=optional_rfc3339(rule.muted_until),
            last_fired_at=optional_rfc3339(rule.last_fired_at),
            created_by=rule.made_by,
            created_at=rfc3339(rule.made_at),
        )


class AlertRulesResponse(ResponseBody):
    """Alert rules by name."""

    data: list[AlertRuleResponse]

    @classmethod
    def of(cls, rules: list[Rule]) -> "AlertRulesResponse":
        return cls([AlertRuleResponse.of(rule) for rule in rules])


@post(PATH, opt=_operation(body=AlertRuleInput, problems=(404, 409)))
async def make_alert_rule(request: Request[Any, Any, Any], services: ApiServices) -> Response[AlertRuleResponse]:
    """Create an alert rule.

    The rule evaluates every event that is recorded from now on, including late and backdated ones, once.
    """
    authorized = await authorize(request, services)
    body = await authorized.body(AlertRuleInput, "rule", "bad_rule")
    rule = await authorized.write(changes.create, body.rule(), **authorized.context)
    return answer(AlertRuleResponse.of(rule))


@get(PATH, opt=_operation(media={YAML: {"type": "string"}}))
async def list_alert_rules(request: Request[Any, Any, Any], services: ApiServices) -> Response[AlertRulesResponse]:
    """List alert rules.

    The rules of the organization, by name. With `Accept: application/yaml`, a file that can be imported.
    """
    authorized = await authorize(request, services)
    rules = await authorized.read(list_rules)
    if "yaml" in request.headers.get("accept", ""):
        return encoded_answer(write_rules(rules).encode(), YAML)
    return answer(AlertRulesResponse.of(rules))


@get(PATH + "/{id:str}", opt=_operation())
async def show_alert_rule(request: Request[Any, Any, Any], services: ApiServices) -> Response[AlertRuleResponse]:
    """Get an alert rule."""
    authorized = await authorize(request, services)
    return answer(AlertRuleResponse.of(await authorized.read(read_rule, authorized.id)))


@patch(PATH + "/{id:str}", opt=_operation(body=AlertRuleChange))
async def change_alert_rule(request: Request[Any, Any, Any], services: ApiServices) -> Response[AlertRuleResponse]:
    """Change an alert rule.

    Fields that are left out keep their value. If what the rule evaluates changes, its windows and its baseline
    start anew.
    """
    authorized = await authorize(request, services)
    body = await authorized.body(AlertRuleChange, "rule", "bad_rule")
    before = changes.settings_of(await authorized.read(read_rule, authorized.id))
    definition = dict(before.definition) | body.definition()
    changed = body.display()
    if definition != before.definition:
        changed["definition"] = _without_null(definition)
    await changes.drop_state(authorized, authorized.id, changed)
    rule = await authorized.write(changes.change, authorized.id, changed, **authorized.context)
    return answer(AlertRuleResponse.of(rule))


@delete(PATH + "/{id:str}", opt=_operation())
async def delete_alert_rule(request: Request[Any, Any, Any], services: ApiServices) -> None:
    """Delete an alert rule.

    Its alerts stay.
    """
    authorized = await authorize(request, services)
    await changes.drop_state(authorized, authorized.id)
    await authorized.write(changes.remove, authorized.id, **authorized.context)


@post(PATH + "/{id:str}/mute", status_code=200, opt=_operation(body=AlertMute))
async def mute_alert_rule(request: Request[Any, Any, Any], services: ApiServices) -> Response[AlertRuleResponse]:
    """Mute an alert rule.

    A muted rule still raises alerts but sends no messages.
    """
    authorized = await authorize(request, services)
    body = await authorized.body(AlertMute, "time", "bad_rule")
    rule = await authorized.write(changes.mute, authorized.id, body.seconds, **authorized.context)
    return answer(AlertRuleResponse.of(rule))


@post(PATH + "/import", status_code=200, opt=_operation(bodies=_FILE, problems=(404, 409)))
async def import_alert_rules(request: Request[Any, Any, Any], services: ApiServices) -> Response[AlertRulesResponse]:
    """Import alert rules from a YAML file.

    A rule of the file replaces the rule of the same name. Either all rules are imported or none; the tests in the
    file must pass.
    """
    authorized = await authorize(request, services)
    async with read_body(request, services.bodies, authorized.scope.org_id, most=MOST_JSON_BYTES) as body:
        text = bytes(body).decode(errors="replace")
    written = await authorized.run(services.pools.analyses, rule_import.parse_and_test, text)
    rules = await authorized.write(rule_import.import_rules, written, **authorized.context)
    return answer(AlertRulesResponse.of(list(rules)))


def _without_null(definition: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in definition.items() if value is not None}
