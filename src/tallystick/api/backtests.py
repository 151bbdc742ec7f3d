"""Back-tests of alert rules: /v1/alert-rules/backtest and /v1/alert-rules/{id}/backtest."""

from functools import partial
from typing import Annotated, Any

from litestar import Request, Response, post
from msgspec import UNSET

from tallystick import clock
from tallystick.alerts.backtest import Backtest, backtest
from tallystick.alerts.definition import RuleDefinition, parse_definition
from tallystick.alerts.rule import read_rule
from tallystick.api.alert_rules import PATH, AlertRuleInput
from tallystick.api.answers import answer
from tallystick.api.authorized_request import AuthorizedRequest, authorize
from tallystick.api.dependencies import ApiServices
from tallystick.api.fields import (
    Count,
    LostRanges,
    MissingRanges,
    RequestBody,
    ResponseBody,
    Time,
    doc,
    index_pairs,
)
from tallystick.api.operation import operation
from tallystick.clock import DAY_US, rfc3339
from tallystick.search.filters import query_from

DEFAULT_PERIOD_US = 30 * DAY_US
_operation = partial(operation, "Alerts", "alerts", "events:read")

_START = doc("Start, as in finding events. Default: 30 days before the end.")
_END = doc("End, as in finding events. Default: now.")
_ZONE = doc("Time zone of dates without a time.")


class BacktestPeriod(RequestBody):
    """The period of a back-test."""

    start: Annotated[str, _START] = ""
    end: Annotated[str, _END] = ""
    tz: Annotated[str, _ZONE] = "UTC"


class BacktestInput(AlertRuleInput):
    """An alert rule and the period of its back-test."""

    start: Annotated[str, _START] = ""
    end: Annotated[str, _END] = ""
    tz: Annotated[str, _ZONE] = "UTC"

    def period(self) -> BacktestPeriod:
        """The period alone."""
        return BacktestPeriod(self.start, self.end, self.tz)


class BacktestGroup(ResponseBody):
    """How often a rule would have fired for one group."""

    group: Annotated[str | None, doc("Value of `group_by`; null for a rule without groups.")]
    firings: Count


class BacktestFiring(ResponseBody):
    """One firing of a back-test."""

    group: Annotated[str | None, doc("Value of `group_by`; null for a rule without groups.")]
    at: Time
    count: Count
    event_ids: list[str]


class BacktestResponse(ResponseBody):
    """The result of a back-test."""

    start: Time
    end: Time
    matching_events: Annotated[Count, doc("Number of events that match the rule's searches.")]
    firings: Count
    per_day: Annotated[dict[str, Count], doc("Number of firings by day, UTC.")]
    groups: list[BacktestGroup]
    last: Annotated[list[BacktestFiring], doc("The last firings.")]
    seconds: Annotated[float, doc("Duration of the back-test.")]
    missing: MissingRanges = UNSET
    lost: LostRanges = UNSET

    @classmethod
    def of(cls, result: Backtest) -> "BacktestResponse":
        last = [
            BacktestFiring(fired.group or None, rfc3339(fired.at), fired.number, list(fired.event_ids))
            for fired in result.firings
        ]
        return cls(
            start=rfc3339(result.start),
            end=rfc3339(result.end),
            matching_events=result.looked_at,
            firings=result.fired,
            per_day=dict(result.days),
            groups=[BacktestGroup(name or None, number) for name, number in result.groups.items()],
            last=last,
            seconds=round(result.seconds, 3),
            missing=index_pairs(result.missing),
            lost=index_pairs(result.lost),
        )


@post(PATH + "/{id:str}/backtest", status_code=200, opt=_operation(body=BacktestPeriod, body_is_required=False))
async def backtest_alert_rule(request: Request[Any, Any, Any], services: ApiServices) -> Response[BacktestResponse]:
    """Back-test an alert rule.

    Evaluates the rule over past events: how often it would have fired. Nothing is recorded or sent.
    """
    authorized = await authorize(request, services)
    period = await authorized.body(BacktestPeriod, "period", "bad_rule", empty=b"{}")
    rule = await authorized.read(read_rule, authorized.id)
    return answer(BacktestResponse.of(await _backtest(authorized, services, rule.definition, period)))


@post(PATH + "/backtest", status_code=200, opt=_operation(body=BacktestInput))
async def backtest_new_alert_rule(request: Request[Any, Any, Any], services: ApiServices) -> Response[BacktestResponse]:
    """Back-test a rule before it is created.

    Takes the fields of a rule and a period.
    """
    authorized = await authorize(request, services)
    body = await authorized.body(BacktestInput, "rule", "bad_rule")
    definition = parse_definition(dict(body.rule().definition))
    return answer(BacktestResponse.of(await _backtest(authorized, services, definition, body.period())))


async def _backtest(
    authorized: AuthorizedRequest, services: ApiServices, definition: RuleDefinition, period: BacktestPeriod
) -> Backtest:
    now = clock.now_us()
    given = {"start": [period.start], "end": [period.end], "tz": [period.tz]}
    query = query_from(given, now=now)
    end = now if query.end is None else query.end
    start = end - DEFAULT_PERIOD_US if query.start is None else query.start
    return await authorized.run(
        services.pools.analyses, backtest, services.database, services.store, authorized.scope, definition, start, end
    )
