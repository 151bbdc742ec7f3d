"""The alert rules that come with Tallystick: /v1/detections."""

from typing import Annotated, Any

from litestar import Request, Response, get, post

from tallystick.alerts import rule_import
from tallystick.alerts.rule import Rule, describe, list_rules
from tallystick.alerts.rules_file import RuleSpec, shipped_detections
from tallystick.api.alert_rules import AlertRuleResponse, Runbook, Words
from tallystick.api.answers import answer
from tallystick.api.authorized_request import authorize
from tallystick.api.dependencies import ApiServices
from tallystick.api.fields import ResponseBody, doc
from tallystick.api.operation import operation
from tallystick.events.catalogue import SEVERITIES

PATH = "/v1/detections"


class DetectionResponse(ResponseBody):
    """A rule that comes with Tallystick."""

    id: Annotated[str, doc("Id of the detection.")]
    name: Annotated[str, doc("Name of the detection.")]
    about: Annotated[str, doc("What it looks for, and why.")]
    words: Words
    severity: Annotated[str, doc("Severity of its alerts.", enum=list(SEVERITIES))]
    runbook: Runbook
    rule: Annotated[str | None, doc("Id of the rule that the organization has of it.")]
    enabled: bool

    @classmethod
    def of(cls, detection: RuleSpec, rule: Rule | None) -> "DetectionResponse":
        return cls(
            id=detection.id,
            name=detection.name,
            about=detection.about,
            words=describe(detection.definition),
            severity=detection.severity,
            runbook=detection.runbook or None,
            rule=None if rule is None else rule.public_id,
            enabled=rule is not None and rule.enabled,
        )


class DetectionsResponse(ResponseBody):
    """The rules that come with Tallystick."""

    data: list[DetectionResponse]


@get(PATH, opt=operation("Alerts", "alerts", "events:read"))
async def list_detections(request: Request[Any, Any, Any], services: ApiServices) -> Response[DetectionsResponse]:
    """List the detections.

    Detections are rules that come with Tallystick. An enabled one is a rule of the organization.
    """
    authorized = await authorize(request, services)
    rules = {rule.detection: rule for rule in await authorized.read(list_rules) if rule.detection}
    detections = [DetectionResponse.of(detection, rules.get(detection.id)) for detection in shipped_detections()]
    return answer(DetectionsResponse(detections))


@post(PATH + "/{id:str}/enable", status_code=200, opt=operation("Alerts", "alerts", "events:read", problems=(409,)))
async def enable_detection(request: Request[Any, Any, Any], services: ApiServices) -> Response[AlertRuleResponse]:
    """Enable a detection.

    Creates the rule, or enables the one that exists.
    """
    authorized = await authorize(request, services)
    rule = await authorized.write(rule_import.enable_detection, authorized.id, **authorized.context)
    return answer(AlertRuleResponse.of(rule))
