"""The operations of rules, detections and alerts."""

from functools import partial
from typing import Any, get_args

from tallystick.alerts.alert import STATES
from tallystick.alerts.definition import FIELDS, KINDS, LONGEST, MOST_COUNT, SEVERITIES, Where
from tallystick.api.document.answers import body_of, json_of, operation
from tallystick.api.document.schemas import TIME, fields, listed, ref, text

_of = partial(operation, "Alert")
_FLAG = {"type": "boolean"}
_COUNT = {"type": "integer", "minimum": 0}
_WHEN = TIME | {"type": ["string", "null"]}
_WORDS = {"type": ["string", "null"]}
_FIELD = {"enum": [*FIELDS, None]}
_IDS = {"type": "array", "items": {"type": "string"}}


def _id(what: str, example: str) -> dict[str, Any]:
    return {"name": "id", "in": "path", "required": True, "description": f"The id of {what}.",
            "schema": {"type": "string"}, "example": example}  # fmt: skip


_RULE_ID = _id("a rule", "rul_01hk6v2q8zfw0a3m5n7p9r1t3v")
_ALERT_ID = _id("an alert", "alr_01hk6v2q8zfw0a3m5n7p9r1t3v")
_GIVEN: dict[str, Any] = {
    "name": text("What it is called, at most 100 characters; the title of what it sends."),
    "kind": text(
        "`threshold`: `count` events of one group within the window. `sequence`: `count` of `query`, then one of "
        "`then`, none of `unless` between. `first_seen`: a value of `new` that the group never had. `dormant`: the "
        "group did nothing for the window, and acts. `off_hours`: an hour at which the group does not act. `silence`: "
        "nothing for the window.", enum=list(KINDS),
    ),
    "query": text("A search as in the search box, without a period. Empty: every event."),
    "count": {"type": "integer", "minimum": 1, "maximum": MOST_COUNT},
    "window_seconds": {
        "type": "integer", "minimum": 0, "maximum": LONGEST,
        "description": "Windows are by the time of the events, judged in the order of recording: an event fires if "
        "some window of that length that holds it holds enough of its group, up to its own index.",
    },
    "group_by": _FIELD | {"description": "Counted for each value of it by itself; an event without one counts not."},
    "distinct": _FIELD | {"description": "Count its different values, not the events."},
    "then": _WORDS, "then_group_by": _FIELD, "unless": _WORDS, "new": _FIELD,
    "where": {"enum": [*filter(None, get_args(Where)), None],
              "description": "What no search can say."},
    "cooldown_seconds": {
        "type": "integer", "minimum": 0, "maximum": LONGEST,
        "description": "For so long after a firing, by the time of events, its group fires no more. As long as the "
        "window, if it is left out.",
    },
    "says": _WORDS | {"description": "A sentence with {count}, {window}, {group}, {user}, {resource}, {ip}, {action}, "
                      "{value}, {time}, {description}."},
    "severity": text("How bad.", enum=list(SEVERITIES)),
    "runbook": _WORDS | {"description": "A link, or what to do; one line."},
    "destinations": _IDS | {"maxItems": 20, "description": "Where it goes: ids of destinations."},
    "enabled": _FLAG,
}  # fmt: skip
_PERIOD = {
    "start": text("As in finding events; thirty days before the end, if it is left out."),
    "end": text("Likewise; now, if it is left out."),
    "tz": text("The zone of bare dates."),
}
_SHOWN_RULE = {
    "id": text("`rul_` and 26 characters."), "words": text("What makes it fire, in words."),
    **_GIVEN,
    "query": text("Its search."),
    "detection": _WORDS | {"description": "Which shipped detection it is."},
    "learning": _FLAG | {"description": "It reads what was usual before, and judges when it knows."},
    "muted_until": _WHEN, "last_fired_at": _WHEN, "created_by": text("Who made it."), "created_at": TIME,
}  # fmt: skip

ALERTED_SCHEMAS: dict[str, Any] = {
    "AlertRuleInput": fields(_GIVEN, optional=tuple(name for name in _GIVEN if name != "name")),
    "AlertRuleChange": fields(_GIVEN, optional=tuple(_GIVEN)),
    "AlertRule": fields(_SHOWN_RULE),
    "AlertRules": fields({"data": listed(ref("AlertRule"))}),
    "AlertMute": fields({"seconds": _COUNT | {"maximum": LONGEST}}),
    "BacktestPeriod": fields(_PERIOD, optional=tuple(_PERIOD)),
    "BacktestInput": fields(_GIVEN | _PERIOD, optional=tuple(_GIVEN | _PERIOD)),
    "Backtest": fields(
        {
            "start": TIME, "end": TIME,
            "matching_events": _COUNT | {"description": "How many events its searches find."},
            "firings": _COUNT,
            "per_day": {"type": "object", "additionalProperties": _COUNT, "description": "By day, UTC."},
            "groups": listed(fields({"group": _WORDS, "firings": _COUNT})),
            "last": listed(fields({"group": _WORDS, "at": TIME, "count": _COUNT, "event_ids": _IDS})),
            "seconds": {"type": "number", "description": "How long this took."},
        }
    ),
    "Detections": fields(
        {
            "data": listed(
                fields(
                    {
                        "id": text("Its name among detections."), "name": text("What it is called."),
                        "about": text("What it looks for, and why."), "words": text("What makes it fire."),
                        "severity": text("How bad."), "runbook": _WORDS,
                        "rule": _WORDS | {"description": "The rule of the organization that it is."}, "enabled": _FLAG,
                    }
                )
            )
        }
    ),
    "AlertNote": fields({"note": text("What one says to it.")}, optional=("note",)),
    "Alert": fields(
        {
            "id": text("`alr_` and 26 characters; the webhook-id of what is sent."),
            "rule": fields({"id": text("Its id."), "name": text("Its name then."), "detection": _WORDS}),
            "severity": text("How bad."), "group": _WORDS, "sentence": text("What happened."),
            "count": _COUNT, "more": _COUNT | {"description": "Events of the group within the cool-down."},
            "first_event": TIME, "last_event": TIME,
            "event_ids": _IDS | {"description": "Oldest first, the newest hundred at most."}, "fired_at": TIME,
            "filter": {"type": "object", "additionalProperties": {"type": "string"},
                       "description": "Parameters of finding events that find them and those like them."},
            "state": text("Whether somebody looks after it.", enum=list(STATES)), "muted": _FLAG,
            "acknowledged_by": _WORDS, "acknowledged_at": _WHEN, "note": _WORDS,
        }
    ),
    "Alerts": fields({"data": listed(ref("Alert")), "next_before": _WORDS}),
}  # fmt: skip


def _query(name: str, description: str, **schema: object) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": {"type": "string", **schema}}


_RULE = {"200": json_of("The rule.", "AlertRule")}
_YAML = {"required": True, "content": {"application/yaml": {"schema": {"type": "string"}}}}
_LISTED = json_of("The rules.", "AlertRules")
_LISTED["content"]["application/yaml"] = {"schema": {"type": "string"}}

ALERTING: dict[str, Any] = {
    "/v1/alert-rules": {
        "get": _of("listAlertRules", "All rules", "By name. With `Accept: application/yaml` as a file that can be "
                   "imported.", {"200": _LISTED}),
        "post": _of("makeAlertRule", "Make a rule", "It judges what is recorded from now on, late and backdated events "
                    "too, each once.", {"201": json_of("Made.", "AlertRule")}, 404, 408, 409, 413, 415,
                    requestBody=body_of("AlertRuleInput")),
    },
    "/v1/alert-rules/{id}": {
        "get": _of("showAlertRule", "One rule", "With when it fired last.", _RULE, 404, parameters=[_RULE_ID]),
        "patch": _of("changeAlertRule", "Change it", "What is left out stays. What it judges being changed, it begins "
                     "anew.", _RULE, 404, 408, 413, 415, requestBody=body_of("AlertRuleChange"),
                     parameters=[_RULE_ID]),
        "delete": _of("deleteAlertRule", "Delete it", "What it found stays.", {"204": {"description": "Deleted."}}, 404,
                      parameters=[_RULE_ID]),
    },
    "/v1/alert-rules/{id}/mute": {
        "post": _of("muteAlertRule", "Mute it", "It fires without telling anybody; 0 seconds end that.", _RULE, 404,
                    408, 413, 415, requestBody=body_of("AlertMute"), parameters=[_RULE_ID])
    },
    "/v1/alert-rules/{id}/backtest": {
        "post": _of("backtestAlertRule", "Back-test it", "What it would have done in a period, as it is now.",
                    {"200": json_of("What would have been.", "Backtest")}, 404, 408, 413, 415,
                    requestBody=body_of("BacktestPeriod") | {"required": False}, parameters=[_RULE_ID])
    },
    "/v1/alert-rules/backtest": {
        "post": _of("backtestNewAlertRule", "Back-test a rule before it is made", "The fields of a rule, and a period.",
                    {"200": json_of("What would have been.", "Backtest")}, 408, 413, 415,
                    requestBody=body_of("BacktestInput"))
    },
    "/v1/alert-rules/import": {
        "post": _of("importAlertRules", "Take rules from a file", "Rules as YAML, with their own tests. Those of the "
                    "same name are changed; all are taken, or none.", {"200": json_of("The rules.", "AlertRules")}, 404,
                    408, 409, 413, 415, requestBody=_YAML)
    },
    "/v1/detections": {
        "get": _of("listDetections", "Rules that come with Tallystick", "And which of them are on.",
                   {"200": json_of("The detections.", "Detections")})
    },
    "/v1/detections/{id}/enable": {
        "post": _of("enableDetection", "Switch one on", "It becomes a rule of the organization.", _RULE, 404, 409,
                    parameters=[_id("a detection", "failed_sign_ins")])
    },
    "/v1/alerts": {
        "get": _of("listAlerts", "What rules found", "Newest first.", {"200": json_of("The alerts.", "Alerts")},
                   parameters=[
                       _query("state", "open or acknowledged.", enum=list(STATES)),
                       _query("rule", "The id of a rule."),
                       _query("before", "The `next_before` of the page before."),
                       {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 1000},
                        "description": "At most so many; 50."},
                   ])
    },
    "/v1/alerts/{id}": {
        "get": _of("showAlert", "One alert", "With the ids of its events.", {"200": json_of("The alert.", "Alert")},
                   404, parameters=[_ALERT_ID])
    },
    "/v1/alerts/{id}/acknowledge": {
        "post": _of("acknowledgeAlert", "Acknowledge it", "Somebody looks after it; with a note, if there is one.",
                    {"200": json_of("The alert.", "Alert")}, 404, 408, 413, 415,
                    requestBody=body_of("AlertNote") | {"required": False}, parameters=[_ALERT_ID])
    },
}  # fmt: skip
