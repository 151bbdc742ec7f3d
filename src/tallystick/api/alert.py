"""Rules, what they would have found, and what they found: /v1/alert-rules, /v1/alerts, /v1/detections."""

from functools import partial
from typing import Any

import msgspec
from litestar import Request, Response, delete, get, patch, post

from tallystick import clock, ids
from tallystick.access.scopes import require
from tallystick.alerts import alert as alerts
from tallystick.alerts import changes, rule_import
from tallystick.alerts.alert import Alert
from tallystick.alerts.backtest import Backtest, backtest
from tallystick.alerts.changes import RuleSettings
from tallystick.alerts.definition import RuleDefinition, parse_definition
from tallystick.alerts.rule import Rule, describe, list_rules, read_rule
from tallystick.alerts.rules_file import shipped_detections, write_rules
from tallystick.api.answers import HEADERS, answer
from tallystick.api.authorized_request import AuthorizedRequest, authorize
from tallystick.api.body import read_body
from tallystick.api.dependencies import ApiServices
from tallystick.clock import DAY_US, rfc3339
from tallystick.errors import BadRequest
from tallystick.search.filters import query_from

RULES, ALERTS, DETECTIONS = "/v1/alert-rules", "/v1/alerts", "/v1/detections"
LISTING = frozenset({"state", "rule", "before", "limit"})
OWN = ("name", "severity", "runbook", "destinations", "enabled")
BACK = 30 * DAY_US
Given = dict[str, Any]


class Period(msgspec.Struct, forbid_unknown_fields=True):
    """From when to when, as finding events takes it; the last thirty days if it is left out."""

    start: str = ""
    end: str = ""
    tz: str = "UTC"


class Muting(msgspec.Struct, forbid_unknown_fields=True):
    """For how long."""

    seconds: int


class Noting(msgspec.Struct, forbid_unknown_fields=True):
    """What one says to it."""

    note: str = ""


@post(RULES, name="api.make_alert_rule")
async def make_rule(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """Makes one."""
    authorized = await authorize(request, services, "alerts")
    wanted = wanted_of(await authorized.body(Given, "rule", "bad_rule"))
    return answer(shown(await authorized.write(changes.create, wanted, **authorized.context)), status=201)


@get(RULES, name="api.list_alert_rules")
async def list_all_rules(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """Those of the organization, by name; as YAML for `Accept: application/yaml`."""
    authorized = await authorize(request, services, "alerts")
    found = await authorized.read(list_rules)
    if "yaml" in request.headers.get("accept", ""):
        headers = HEADERS | {"Content-Type": "application/yaml"}
        return Response(write_rules(found).encode(), headers=headers, media_type="application/yaml")
    return answer({"data": [shown(one) for one in found]})


@get(RULES + "/{id:str}", name="api.show_alert_rule")
async def show_rule(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """One of them."""
    authorized = await authorize(request, services, "alerts")
    return answer(shown(await authorized.read(read_rule, authorized.id)))


@patch(RULES + "/{id:str}", name="api.change_alert_rule", status_code=200)
async def change_rule(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """Changes what is given."""
    authorized = await authorize(request, services, "alerts")
    given = await authorized.body(Given, "rule", "bad_rule")
    before = changes.settings_of(await authorized.read(read_rule, authorized.id))
    definition = dict(before.definition) | {name: value for name, value in given.items() if name not in OWN}
    wanted = {name: given[name] for name in OWN if name in given}
    wanted_of({"name": before.name} | wanted)  # of the right types
    if definition != before.definition:
        wanted["definition"] = _without_nothing(definition)
    return answer(shown(await authorized.write(changes.change, authorized.id, wanted, **authorized.context)))


@delete(RULES + "/{id:str}", name="api.delete_alert_rule", status_code=204)
async def delete_rule(request: Request[Any, Any, Any], services: ApiServices) -> None:
    """Deletes it; what it found stays."""
    authorized = await authorize(request, services, "alerts")
    await authorized.write(changes.remove, authorized.id, **authorized.context)


@post(RULES + "/{id:str}/mute", name="api.mute_alert_rule", status_code=200)
async def mute_rule(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """Lets it fire without telling anybody; 0 seconds end that."""
    authorized = await authorize(request, services, "alerts")
    muting = await authorized.body(Muting, "time", "bad_rule")
    return answer(shown(await authorized.write(changes.mute, authorized.id, muting.seconds, **authorized.context)))


@post(RULES + "/{id:str}/backtest", name="api.backtest_alert_rule", status_code=200)
async def backtest_rule(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """What it would have done in a period."""
    authorized = await authorize(request, services, "alerts")
    period = await authorized.body(Period, "period", "bad_rule", empty=b"{}")
    rule = await authorized.read(read_rule, authorized.id)
    return answer(tested(await _backtest(authorized, services, rule.definition, period)))


@post(RULES + "/backtest", name="api.backtest_new_rule", status_code=200)
async def backtest_new_rule(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """The same of a rule that is not made yet."""
    authorized = await authorize(request, services, "alerts")
    given = await authorized.body(Given, "rule", "bad_rule")
    said = {name: given.pop(name) for name in ("start", "end", "tz") if name in given}
    try:
        period = msgspec.convert(said, Period)
    except msgspec.ValidationError as error:
        raise BadRequest(f"This is no period: {error}.", code="bad_rule") from None
    definition = parse_definition(dict(wanted_of({"name": "Back-test"} | given).definition))
    return answer(tested(await _backtest(authorized, services, definition, period)))


@post(RULES + "/import", name="api.import_alert_rules", status_code=200)
async def import_rules(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """Takes rules as YAML: those of the same name are changed, all or none."""
    authorized = await authorize(request, services, "alerts")
    async with read_body(request, services.bodies) as body:
        text = bytes(body).decode(errors="replace")
    written = await authorized.run(partial(rule_import.parse_and_test, text))
    return answer(
        {
            "data": [
                shown(one) for one in await authorized.write(rule_import.import_rules, written, **authorized.context)
            ]
        }
    )


@get(DETECTIONS, name="api.list_detections")
async def list_detections(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """The rules that come with Tallystick, and which of them are on."""
    authorized = await authorize(request, services, "alerts")
    mine = {one.detection: one for one in await authorized.read(list_rules) if one.detection}
    listed = [
        {"id": one.id, "name": one.name, "about": one.about, "words": describe(one.definition),
         "severity": one.severity, "runbook": one.runbook or None,
         "rule": mine[one.id].shown_id if one.id in mine else None,
         "enabled": one.id in mine and mine[one.id].enabled}
        for one in shipped_detections()
    ]  # fmt: skip
    return answer({"data": listed})


@post(DETECTIONS + "/{id:str}/enable", name="api.enable_detection", status_code=200)
async def enable_detection(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """Makes it a rule of the organization, or switches that on."""
    authorized = await authorize(request, services, "alerts")
    return answer(shown(await authorized.write(rule_import.enable_detection, authorized.id, **authorized.context)))


@get(ALERTS, name="api.list_alerts")
async def list_all_alerts(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """What rules found, newest first."""
    authorized = await authorize(request, services, "alerts", LISTING)
    limit = authorized.parameters.whole("limit", 1, alerts.MOST) or 50
    said = {name: authorized.parameters.one(name) or None for name in ("state", "rule", "before")}
    found = await authorized.read(alerts.list_alerts, **said, limit=limit + 1)
    more = len(found) > limit
    cursor = found[limit - 1].shown_id if more else None
    return answer({"data": [alert_shown(one) for one in found[:limit]], "next_before": cursor})


@get(ALERTS + "/{id:str}", name="api.show_alert")
async def show_alert(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """One of them."""
    authorized = await authorize(request, services, "alerts")
    return answer(alert_shown(await authorized.read(alerts.read_alert, authorized.id)))


@post(ALERTS + "/{id:str}/acknowledge", name="api.acknowledge_alert", status_code=200)
async def acknowledge_alert(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """Says that somebody looks after it."""
    authorized = await authorize(request, services, "alerts")
    noting = await authorized.body(Noting, "note", "bad_note", empty=b"{}")
    return answer(
        alert_shown(await authorized.write(alerts.acknowledge, authorized.id, note=noting.note, **authorized.context))
    )


def wanted_of(given: Given) -> RuleSettings:
    """A rule as a request has it. A rule that counts is quiet for its window after it fired, unless it says else."""
    definition = {name: value for name, value in given.items() if name not in OWN}
    if "cooldown_seconds" not in definition and isinstance(definition.get("window_seconds"), int):
        definition["cooldown_seconds"] = definition["window_seconds"]
    own = {name: given[name] for name in OWN if name in given}
    try:
        said = msgspec.convert(own, _Own)
    except msgspec.ValidationError as error:
        raise BadRequest(f"This is no rule: {error}.", code="bad_rule") from None
    return RuleSettings(
        said.name, _without_nothing(definition), said.severity, said.runbook, said.destinations, said.enabled
    )


class _Own(msgspec.Struct):
    name: str = "Rule"
    severity: str = "warning"
    runbook: str = ""
    destinations: tuple[str, ...] = ()
    enabled: bool = True


def _without_nothing(definition: Given) -> Given:
    return {name: value for name, value in definition.items() if value is not None}


async def _backtest(
    authorized: AuthorizedRequest, services: ApiServices, definition: RuleDefinition, period: Period
) -> Backtest:
    now = clock.now_us()
    given = {"start": [period.start], "end": [period.end], "tz": [period.tz]}
    asked_for = query_from(given, now=now)
    end = now if asked_for.end is None else asked_for.end
    start = end - BACK if asked_for.start is None else asked_for.start
    require(authorized.scope, "alerts")
    return await authorized.run(
        partial(backtest, services.database, services.store, authorized.scope, definition, start, end)
    )


def shown(one: Rule) -> Given:
    """A rule as the API answers it."""
    definition = {name: getattr(one.definition, name) for name in RuleDefinition.__struct_fields__}
    return {
        "id": one.shown_id, "name": one.name, "words": describe(one.definition),
        **{name: value if value != "" else None for name, value in definition.items()},
        "query": one.definition.query, "severity": one.severity, "runbook": one.runbook or None,
        "detection": one.detection or None, "destinations": list(one.destinations), "enabled": one.enabled,
        "learning": one.enabled and not one.learnt, "muted_until": _time(one.muted_until),
        "last_fired_at": _time(one.last_fired_at), "created_by": one.made_by, "created_at": rfc3339(one.made_at),
    }  # fmt: skip


def alert_shown(one: Alert) -> Given:
    """An alert as the API answers it."""
    return {
        "id": one.shown_id,
        "rule": {"id": one.shown_rule, "name": one.rule_name, "detection": one.detection or None},
        "severity": one.severity, "group": one.group or None, "sentence": one.sentence, "count": one.number,
        "more": one.more, "first_event": rfc3339(one.first_at), "last_event": rfc3339(one.last_at),
        "event_ids": [ids.encode("evt", raw) for raw in one.event_ids], "fired_at": rfc3339(one.fired_at),
        "filter": dict(one.search), "state": one.state, "muted": one.muted,
        "acknowledged_by": one.acknowledged_by or None, "acknowledged_at": _time(one.acknowledged_at),
        "note": one.note or None,
    }  # fmt: skip


def tested(one: Backtest) -> Given:
    """A back-test as the API answers it."""
    return {
        "start": rfc3339(one.start), "end": rfc3339(one.end), "matching_events": one.looked_at, "firings": one.fired,
        "per_day": dict(one.days), "groups": [{"group": name or None, "firings": n} for name, n in one.groups.items()],
        "last": [
            {"group": fired.group or None, "at": rfc3339(fired.at), "count": fired.number,
             "event_ids": list(fired.event_ids)}
            for fired in one.firings
        ],
        "seconds": round(one.seconds, 3),
    }  # fmt: skip


def _time(at: int | None) -> str | None:
    return None if at is None else rfc3339(at)
