"""The form of a new alert rule, and back-tests of rules."""

from dataclasses import dataclass
from datetime import UTC
from functools import partial
from typing import Any

from litestar import Response, get, post

from tallystick.access.csrf import form_token
from tallystick.alerts import changes
from tallystick.alerts.backtest import Backtest, PastFiring, backtest
from tallystick.alerts.changes import RuleSettings
from tallystick.alerts.definition import parse_definition
from tallystick.alerts.rule import Rule, describe, read_rule
from tallystick.alerts.rules_file import find_detection as detection
from tallystick.clock import DAY_US, now_us, rfc3339, second_words
from tallystick.database.engine import Database
from tallystick.destinations.destination import list_destinations
from tallystick.errors import BadRequest, Conflict, Forbidden
from tallystick.events.catalogue import SEVERITIES
from tallystick.query.scope import Scope
from tallystick.search.filters import QUALIFIERS
from tallystick.search.tokens import quoted_pattern
from tallystick.web.alerts_page import PATH
from tallystick.web.audit_logs import filters_of
from tallystick.web.dependencies import (
    DatabaseDep,
    FrameDep,
    Injected,
    PoolsDep,
    SessionTokenDep,
    StoreDep,
    UserScopeDep,
    ViewerDep,
    WebRequest,
)
from tallystick.web.filter_links import OR
from tallystick.web.filters import REPEATED, Filters
from tallystick.web.form_request import FormRequestDep
from tallystick.web.page_access import ADMINS, WHOLE_TRAIL
from tallystick.web.page_frame import PageFrame
from tallystick.web.templating import html, redirect

NEW = f"{PATH}/rules/new"
FIELDS = ("name", "query", "count", "window", "unit", "group_by", "distinct", "severity", "quiet", "quiet_unit",
          "runbook", "destinations", "days")  # fmt: skip
UNITS = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86_400}
GROUPS = (("", "anyone"), ("user", "each user"), ("ip", "each address"), ("resource", "each resource"),
          ("action", "each action"))  # fmt: skip
COUNTED = (("", "events"), ("user", "different users"), ("ip", "different addresses"),
           ("resource", "different resources"), ("action", "different actions"),
           ("country", "different countries"))  # fmt: skip
DAYS = ("7", "30", "90", "365", "all")
WIDEST = 100


@dataclass(frozen=True, slots=True)
class BacktestSummary:
    """A back-test for the page; `days` are (day, firings, width of the bar in %)."""

    result: Backtest
    days: tuple[tuple[str, int, int], ...]
    last: tuple[tuple[str, PastFiring, str], ...]


@dataclass(frozen=True, slots=True)
class RuleForm:
    """Renders the form, also after an invalid submission or with the result of a back-test."""

    request: WebRequest
    scope: Scope
    frame: PageFrame
    database: Database
    token: str

    async def show(
        self,
        typed: dict[str, str],
        *,
        problem: str = "",
        tested: BacktestSummary | None = None,
        said: str = "",
        one: Rule | None = None,
        status: int = 200,
    ) -> Response[str]:
        """The rendered form."""

        def load() -> list[tuple[str, str]]:
            with self.database.read() as connection:
                return [
                    (destination.public_id, destination.name)
                    for destination in list_destinations(connection, self.scope)
                ]

        return html(
            "rule_form.html",
            status=status,
            frame=self.frame.at("alerts"),
            form_token=form_token(self.token),
            typed=typed,
            problem=problem,
            tested=tested,
            said=said,
            one=one,
            destinations=await self.database.run(load),
            chosen=typed["destinations"].split(),
            units=tuple(UNITS),
            groups=GROUPS,
            counted=COUNTED,
            severities=SEVERITIES,
            day_choices=DAYS,
        )


RuleFormDep = Injected[RuleForm]


async def provide_rule_form(
    request: WebRequest,
    user_scope: UserScopeDep,
    frame: FrameDep,
    database: DatabaseDep,
    session_token: SessionTokenDep,
) -> RuleForm:
    """The rule form of this request."""
    return RuleForm(request, user_scope, frame, database, session_token)


@get(NEW, name="web.alerts.new", opt=ADMINS)
async def show_new(request: WebRequest, rule_form: RuleFormDep) -> Response[str]:
    """The form, filled with the search and filters of the list that linked here."""
    typed = _empty_form() | {"query": rule_search_of(filters_of(request))}
    return await rule_form.show(typed)


@post(NEW, name="web.alerts.make", status_code=303, opt=ADMINS)
async def make_rule(
    form_request: FormRequestDep,
    rule_form: RuleFormDep,
    database: DatabaseDep,
    pools: PoolsDep,
    store: StoreDep,
    viewer: ViewerDep,
) -> Response[str]:
    """Creates the rule, or back-tests it; `act` says which."""
    typed = _empty_form() | form_request.texts(*(name for name in FIELDS if name != "destinations"))
    typed["destinations"] = " ".join(form_request.all("destinations"))
    try:
        fields = _definition_fields(typed)
        definition = parse_definition(fields)
        if form_request.text("act") == "test":
            now = now_us()
            start = _start_of_test(typed["days"], now)
            work = partial(backtest, database, store, form_request.scope, definition, start, now)
            tested = _backtest_summary(await pools.analyses.run(form_request.scope, work))
            viewer.note_page("backtest", "new", q=[typed["query"]], group_by=[typed["group_by"]])
            return await rule_form.show(typed, tested=tested, said=describe(definition))
        settings = RuleSettings(
            typed["name"] or "Rule", fields, typed["severity"], typed["runbook"], typed["destinations"].split()
        )
        rule = await form_request.write(changes.create, settings, **form_request.context)
    except (BadRequest, Conflict, Forbidden) as problem:
        return await rule_form.show(typed, problem=problem.detail, status=problem.status)
    return redirect(f"{PATH}#{rule.public_id}")


def _start_of_test(days: str, now: int) -> int:
    """When the period of a back-test begins, by the choice of its length."""
    if days == "all":
        return 0
    return now - (int(days) if days in DAYS else 30) * DAY_US


@get(PATH + "/{name:str}/backtest", name="web.alerts.backtest", opt=WHOLE_TRAIL)
async def show_backtest(
    request: WebRequest,
    name: str,
    user_scope: UserScopeDep,
    frame: FrameDep,
    database: DatabaseDep,
    pools: PoolsDep,
    store: StoreDep,
    viewer: ViewerDep,
) -> Response[str]:
    """The back-test of a rule, or of a detection that is not enabled."""
    days_text = request.query_params.get("days", "30")
    days = days_text if days_text in DAYS else "30"

    def work() -> tuple[str, str, Backtest]:
        if name.startswith("rul_"):
            with database.read() as connection:
                rule = read_rule(connection, user_scope, name)
            title, definition = rule.name, rule.definition
        else:
            shipped = detection(name)
            title, definition = shipped.name, shipped.definition
        now = now_us()
        start = _start_of_test(days, now)
        return title, describe(definition), backtest(database, store, user_scope, definition, start, now)

    title, rule_words, result = await pools.analyses.run(user_scope, work)
    viewer.note_page("backtest", name)
    return html(
        "backtest.html",
        frame=frame.at("alerts"),
        name=name,
        title=title,
        said=rule_words,
        tested=_backtest_summary(result),
        days=days,
        day_choices=DAYS,
    )


def rule_search_of(filters: Filters) -> str:
    """The filters of a list as one search, without its period."""
    parameters = filters.parameters(now_us())
    terms = [f"{QUALIFIERS[name]}:{quoted_pattern(value)}" for name in REPEATED for value in parameters.get(name, ())]
    if filters.q:
        terms.append(f"({filters.q})" if OR.search(filters.q) and terms else filters.q)
    return " ".join(terms)


def _empty_form() -> dict[str, str]:
    return dict.fromkeys(FIELDS, "") | {"count": "1", "window": "10", "unit": "minutes", "severity": "medium",
                                        "quiet": "1", "quiet_unit": "hours", "days": "30"}  # fmt: skip


def _definition_fields(typed: dict[str, str]) -> dict[str, Any]:
    """The definition of the rule, from the form's fields."""
    count = int(typed["count"]) if typed["count"].isdecimal() and len(typed["count"]) < 6 else 0
    fields: dict[str, Any] = {"query": typed["query"], "count": count, "cooldown_seconds": _seconds(typed, "quiet")}
    if count > 1:
        fields["window_seconds"] = _seconds(typed, "window", "unit")
        if typed["distinct"]:
            fields["distinct"] = typed["distinct"]
    if typed["group_by"]:
        fields["group_by"] = typed["group_by"]
    return fields


def _seconds(typed: dict[str, str], name: str, unit: str = "") -> int:
    number = typed[name]
    if not number.isdecimal() or len(number) > 6:
        return -1
    return int(number) * UNITS.get(typed[unit or f"{name}_unit"], 1)


def _backtest_summary(result: Backtest) -> BacktestSummary:
    most = max(result.days.values(), default=1)
    days = tuple((day, number, max(1, round(number * WIDEST / most))) for day, number in result.days.items())
    last = tuple(
        (second_words(one.at, UTC), one, f"/audit-logs?range=custom&start={rfc3339(one.at)}&end={rfc3339(one.at + 1)}")
        for one in result.firings[::-1][:20]
    )
    return BacktestSummary(result, days, last)
