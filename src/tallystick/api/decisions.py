"""What waits for a second person: /v1/decisions."""

from functools import partial
from typing import Annotated, Any

from litestar import Request, Response, get, post
from sqlalchemy import Connection

from tallystick import ids
from tallystick.access import decisions
from tallystick.access.audit import Caller
from tallystick.access.decisions import Decision
from tallystick.access.organizations import RETENTION, retention_proposal
from tallystick.api.answers import answer
from tallystick.api.authorized_request import authorize
from tallystick.api.dependencies import ApiServices
from tallystick.api.fields import NamedReference, ResponseBody, Time, doc
from tallystick.api.operation import operation
from tallystick.api.retention import Days, Plan, PreviousRetention
from tallystick.clock import optional_rfc3339, rfc3339
from tallystick.erasure import request as erasure_request
from tallystick.erasure.request import ERASURE
from tallystick.intake_rules.changes import INTAKE_RULES, rules_proposal
from tallystick.intake_rules.rule import Rules
from tallystick.query.scope import Scope
from tallystick.retention.decide import KINDS, cancel_request

PATH = "/v1/decisions"
STATES = ("pending", "confirmed", "cancelled", "expired")
_ALL_KINDS = {**KINDS, ERASURE.name: ERASURE}
_operation = partial(operation, "Retention", "admin")


class ProposedRetention(ResponseBody):
    """The retention that a decision would set."""

    plan: Plan
    retention_days: Days
    before: PreviousRetention

    @classmethod
    def of(cls, decision: Decision) -> "ProposedRetention":
        wanted = retention_proposal(decision)
        return cls(wanted.plan, wanted.days, PreviousRetention(wanted.plan_before, wanted.days_before))


class ProposedRule(ResponseBody):
    """A rule of a list that a decision would set."""

    id: str
    query: str
    do: str
    days: int | None

    @classmethod
    def list_of(cls, rules: Rules) -> "list[ProposedRule]":
        return [cls(rule.id, rule.query, rule.do, rule.days) for rule in rules]


class ProposedRules(ResponseBody):
    """The intake rules that a decision would set, and those when it was requested."""

    rules: list[ProposedRule]
    before: list[ProposedRule]

    @classmethod
    def of(cls, decision: Decision) -> "ProposedRules":
        wanted = rules_proposal(decision)
        return cls(ProposedRule.list_of(wanted.after), ProposedRule.list_of(wanted.before))


class DecisionResponse(ResponseBody):
    """A change that takes effect when enough people agree."""

    id: Annotated[str, doc("`dec_` and 26 characters.")]
    kind: Annotated[str, doc("What is decided.", enum=sorted(_ALL_KINDS))]
    target: Annotated[str, doc("Id of the organization, legal hold or erasure that it is about.")]
    retention: Annotated[ProposedRetention | None, doc("With the kind `retention`: what would be set.")]
    intake_rules: Annotated[ProposedRules | None, doc("With the kind `intake_rules`: what would be set.")]
    state: Annotated[str, doc("`pending` until it is over.", enum=list(STATES))]
    requested_by: NamedReference
    requested_at: Time
    expires_at: Annotated[Time, doc("A request that is pending then expires.")]
    agreed_by: Annotated[list[NamedReference], doc("The people who agreed so far, including one who requested it.")]
    cancelled_by: NamedReference | None
    ended_at: Time | None

    @classmethod
    def of(cls, decision: Decision) -> "DecisionResponse":
        ended = [NamedReference(decision.ended_by, decision.ended_by_name)] if decision.ended_by else []
        first = [NamedReference(decision.first_by, decision.first_by_name)] if decision.first_by else []
        return cls(
            id=decision.public_id,
            kind=decision.kind,
            target=ids.encode(_ALL_KINDS[decision.kind].target_prefix, decision.target_id.bytes),
            retention=ProposedRetention.of(decision) if decision.kind == RETENTION.name else None,
            intake_rules=ProposedRules.of(decision) if decision.kind == INTAKE_RULES.name else None,
            state=decision.state,
            requested_by=NamedReference(decision.requested_by, decision.requested_by_name),
            requested_at=rfc3339(decision.requested_at),
            expires_at=rfc3339(decision.expires_at),
            agreed_by=first + (ended if decision.state == "confirmed" else []),
            cancelled_by=ended[0] if decision.state == "cancelled" and ended else None,
            ended_at=optional_rfc3339(decision.ended_at),
        )


class DecisionsResponse(ResponseBody):
    """Decisions, newest first."""

    data: list[DecisionResponse]


@get(PATH, opt=_operation())
async def list_decisions(request: Request[Any, Any, Any], services: ApiServices) -> Response[DecisionsResponse]:
    """List decisions.

    Erasures, shorter retentions, releases of legal holds and intake rules that wait, or waited, for a second person;
    newest first. People confirm them on the pages Retention and Intake rules.
    """
    authorized = await authorize(request, services)
    found = await authorized.read(decisions.list_decisions)
    return answer(DecisionsResponse([DecisionResponse.of(decision) for decision in found]))


@get(PATH + "/{id:str}", opt=_operation())
async def show_decision(request: Request[Any, Any, Any], services: ApiServices) -> Response[DecisionResponse]:
    """Get a decision."""
    authorized = await authorize(request, services)
    return answer(DecisionResponse.of(await authorized.read(decisions.show_decision, authorized.id)))


@post(PATH + "/{id:str}/cancel", status_code=200, opt=_operation(problems=(409,)))
async def cancel_decision(request: Request[Any, Any, Any], services: ApiServices) -> Response[DecisionResponse]:
    """Cancel a decision.

    Possible while it is pending; nothing is changed then. Cancelling again changes nothing.
    """
    authorized = await authorize(request, services)
    return answer(DecisionResponse.of(await authorized.write(_cancel, authorized.id, **authorized.context)))


def _cancel(connection: Connection, scope: Scope, public_id: str, *, now: int, caller: Caller) -> Decision:
    decision = decisions.show_decision(connection, scope, public_id)
    if decision.kind != ERASURE.name:
        return cancel_request(connection, scope, public_id, now=now, caller=caller)
    target = ids.encode(ERASURE.target_prefix, decision.target_id.bytes)
    erasure_request.cancel(connection, scope, target, now=now, caller=caller)
    return decisions.show_decision(connection, scope, public_id)
