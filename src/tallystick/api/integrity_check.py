"""The integrity check of the log: /v1/ledger/check."""

from functools import partial
from typing import Annotated, Any

from litestar import Request, Response, get, post
from msgspec import Meta

from tallystick.api.answers import answer
from tallystick.api.authorized_request import authorize
from tallystick.api.dependencies import ApiServices
from tallystick.api.fields import Count, ResponseBody, Time, doc
from tallystick.api.operation import operation
from tallystick.clock import optional_rfc3339, rfc3339
from tallystick.integrity.overview import Overview, overview, request_check
from tallystick.integrity.rounds import Round

PATH = "/v1/ledger/check"
_operation = partial(operation, "Proofs", "admin")


class CheckDifference(ResponseBody):
    """A difference between the log and what is stored."""

    index: Annotated[Count, doc("Index in the log.")]
    problem: Annotated[str, doc("What is wrong there.")]


class CheckRound(ResponseBody):
    """One run of the integrity check."""

    started_at: Time
    finished_at: Time | None
    asked_by: Annotated[str | None, doc("Who requested the check; null for the daily one.")]
    entries: Annotated[Count, doc("Number of log entries to check, up to a signed checkpoint.")]
    done: Annotated[Count, doc("Number of entries checked so far.")]
    events: Annotated[Count, doc("Number of stored events that were compared with the log.")]
    expired: Annotated[Count, doc("Number of deleted events that the record of a purge explains.")]
    erased: Annotated[
        int, Meta(description="Number of events with erased parts that the record of an erasure explains.", ge=0)
    ]
    differences: Count
    first_differences: list[CheckDifference]

    @classmethod
    def of(cls, check: Round) -> "CheckRound":
        return cls(
            started_at=rfc3339(check.started_at),
            finished_at=optional_rfc3339(check.finished_at),
            asked_by=None if check.asked_by is None else check.asked_by.label,
            entries=check.end,
            done=check.position,
            events=check.checked,
            expired=check.expired,
            erased=check.erased,
            differences=check.found,
            first_differences=[CheckDifference(problem.index, problem.words) for problem in check.problems],
        )


class CheckResponse(ResponseBody):
    """The state of the integrity check."""

    size: Annotated[Count, doc("Number of entries in the log.")]
    frozen: Annotated[str | None, doc("Why the log is frozen; null if it is not.")]
    waiting: Annotated[bool, doc("A check was requested and has not started.")]
    running: Annotated[CheckRound | None, doc("The check under way.")]
    last: Annotated[CheckRound | None, doc("The last finished check.")]

    @classmethod
    def of(cls, found: Overview) -> "CheckResponse":
        return cls(
            size=found.size,
            frozen=found.frozen_reason,
            waiting=found.wanted is not None,
            running=None if found.running is None else CheckRound.of(found.running),
            last=None if found.last is None else CheckRound.of(found.last),
        )


@get(PATH, opt=_operation())
async def show_check(request: Request[Any, Any, Any], services: ApiServices) -> Response[CheckResponse]:
    """Get the state of the integrity check.

    The check under way, and the result of the last one. Every log is checked once a day.
    """
    authorized = await authorize(request, services)
    return answer(CheckResponse.of(await authorized.read(overview)))


@post(PATH, status_code=202, opt=_operation())
async def start_check(request: Request[Any, Any, Any], services: ApiServices) -> Response[CheckResponse]:
    """Start an integrity check.

    Compares every stored event, every tile and the signed root in the background. The request is recorded, and so
    is the result. A request during a check changes nothing.
    """
    authorized = await authorize(request, services)
    await authorized.write(request_check, **authorized.context)
    services.checker.wake()
    return answer(CheckResponse.of(await authorized.read(overview)))
