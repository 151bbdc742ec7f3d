"""The thread that sends to destinations: a dead one never holds up another."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import msgspec
import structlog
from sqlalchemy import ColumnElement, Connection, Row, and_, delete, func, insert, not_, or_, select, update

from tallystick import clock
from tallystick.access.audit import NOWHERE, record_own, resource
from tallystick.access.secret import DecryptionFailed
from tallystick.access.tables import memberships, people
from tallystick.clock import DAY_US, SECOND_US
from tallystick.database.engine import Database
from tallystick.destinations import forms, mailer, secrets
from tallystick.destinations.changes import Posts, members_of
from tallystick.destinations.destination import PREFIX, is_destination
from tallystick.destinations.guard import TargetError
from tallystick.destinations.http_client import post
from tallystick.destinations.message import Message
from tallystick.destinations.secrets import DestinationSecrets
from tallystick.destinations.smtp import Email, EmailNotSent, InvalidEmail, MailServer, compose, send_email
from tallystick.destinations.tables import deliveries, delivery_attempts, destinations
from tallystick.query.scope import TALLYSTICK
from tallystick.work.background import Background

AT_ONCE = 16
OF_ONE = 4  # of one organization, so that none can take the places of all
FAILING_AT_ONCE = 8  # destinations that failed last, all together
IDLE_SECONDS = 1.0
CLAIM_SECONDS = 400  # longer than any attempt takes: a mail may take five minutes
# After so many seconds an attempt follows, as Standard Webhooks proposes; then it is given up.
STEPS = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
MAIL_SECONDS = 60.0  # then no other address is begun
FAILING = 5  # failures in a row
KEPT = 30 * DAY_US
GONE = 410
FORGET_US = 3600 * SECOND_US
SKEW_US = 900 * SECOND_US  # so far may the clocks of two processes be apart
logger = structlog.get_logger(__name__)
_message = msgspec.json.Decoder(Message).decode
Place = tuple[UUID, UUID]
"""An organization and one of its destinations."""


@dataclass(frozen=True, slots=True)
class Result:
    """How an attempt went. `left`: addresses that have not got a mail; `for_good`: it would go wrong again."""

    problem: str = ""
    status: int | None = None
    retry_after: int | None = None
    for_good: bool = False
    gone: bool = False
    left: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Carried:
    """An attempt that is over, begun at `at` in microseconds."""

    row: Row[Any]
    result: Result
    at: int
    milliseconds: int


class Courier(Background):
    """Sends what is due, the oldest of each destination first, several destinations at once."""

    def __init__(self, database: Database, posts: Posts, relay: MailServer | None, told: Callable[[], None]) -> None:
        super().__init__("deliveries", idle_seconds=IDLE_SECONDS)
        self._database = database
        self._posts = posts
        self._relay = relay
        self._told = told
        self._workers = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="courier")
        self._busy: dict[Place, Future[Carried | None]] = {}
        self._doubtful: set[Place] = set()  # of those, the ones that failed last
        self._forgot_at = 0

    def step(self, now: int | None = None) -> bool:
        """Write down what came of those that are back, and begin what is due at `now` (microseconds)."""
        now = clock.now_us() if now is None else now
        carried = self._back()
        due = self._chosen(now)
        forgets = not 0 <= now - self._forgot_at < FORGET_US
        if not carried and not due and not forgets:
            return False
        # One transaction for all: a disk syncs so often a second only.
        with self._database.write() as connection:
            for one in carried:
                _settle(connection, one)
            if forgets:
                self._forgot_at = now
                _forget(connection, now)
            rows = [row for place in due if (row := _claim(connection, place, now)) is not None]
        for row in rows:
            future = self._workers.submit(self._carry, row, now)
            self._busy[row.org_id, row.destination_id] = future
            future.add_done_callback(lambda _: self.wake())
        if carried:
            self._told()
        return bool(carried or rows)

    def settle(self) -> None:
        """Wait for what is under way."""
        wait(self._busy.values())

    def close(self) -> None:
        """Write down what is back; what waits goes after the next start."""
        self._workers.shutdown(wait=True)
        if carried := self._back():
            with self._database.write() as connection:
                for one in carried:
                    _settle(connection, one)
            self._told()

    def _back(self) -> list[Carried]:
        back = {place: future for place, future in self._busy.items() if future.done()}
        self._busy = {place: future for place, future in self._busy.items() if place not in back}
        self._doubtful &= self._busy.keys()
        return [one for future in back.values() if (one := future.result()) is not None]

    def _chosen(self, now: int) -> list[Place]:
        """Who is sent to next: of one organization, and of those that failed, only so many at once."""
        busy = Counter(org_id for org_id, _ in self._busy)
        failing = len(self._doubtful)
        chosen: list[Place] = []
        for place, failed in self._due(now):
            if len(self._busy) + len(chosen) >= AT_ONCE:
                break
            if place in self._busy or busy[place[0]] >= OF_ONE or (failed and failing >= FAILING_AT_ONCE):
                continue
            busy[place[0]] += 1
            failing += failed
            chosen.append(place)
            if failed:
                self._doubtful.add(place)
        return chosen

    def _due(self, now: int) -> list[tuple[Place, bool]]:
        """Destinations for which something is due, whoever waits longest first, and whether it failed last."""
        rows = (
            select(deliveries.c.org_id, deliveries.c.destination_id, destinations.c.failures)
            .join(
                destinations,
                and_(
                    destinations.c.org_id == deliveries.c.org_id,
                    destinations.c.destination_id == deliveries.c.destination_id,
                ),
            )
            .where(deliveries.c.state == "waiting", _is_due(now), _unclaimed(now))
            .where(destinations.c.enabled)
            .group_by(deliveries.c.org_id, deliveries.c.destination_id, destinations.c.failures)
            .order_by(func.min(deliveries.c.next_at))
        )
        with self._database.read() as connection:
            return [((row.org_id, row.destination_id), row.failures > 0) for row in connection.execute(rows)]

    def _carry(self, row: Row[Any], now: int) -> Carried | None:
        """One attempt. Whatever happens in it, the thread goes on, and the claim runs out."""
        try:
            with self._database.read() as connection:
                where = connection.execute(
                    select(destinations).where(is_destination(row.org_id, row.destination_id))
                ).first()
            if where is None:
                return None
            began = time.monotonic()
            result = self._attempt(where, row, now)
            return Carried(row, result, now, round((time.monotonic() - began) * 1000))
        except Exception:
            logger.exception("delivery_failed", delivery=row.delivery_id.hex)
            return None

    def _attempt(self, where: Row[Any], row: Row[Any], now: int) -> Result:
        try:
            private = secrets.open_secrets(self._posts.seal, where.org_id, where.destination_id, where.sealed)
        except DecryptionFailed:
            return Result("The server's secret key has changed. Create the destination again.", for_good=True)
        message = _message(row.message)
        if where.kind == "email":
            return self._mail(where, row, message, now)
        return self._post(where.kind, private, message, now)

    def _post(self, kind: str, secrets: DestinationSecrets, message: Message, now: int) -> Result:
        if kind == "slack":
            body, headers = forms.slack_body(message), {"Content-Type": "application/json", "User-Agent": "Tallystick"}
        else:
            body = forms.webhook_body(message)
            headers = {**secrets.headers, **forms.webhook_headers(message, body, secrets.signing(now), at=now)}
        if secrets.url.startswith("http:") and not self._posts.guard.allows(urlsplit(secrets.url).hostname or ""):
            return Result("This host has no TLS and is no longer allowed by the operator.")
        try:
            answer = post(self._posts.guard, secrets.url, headers, body)
        except TargetError as problem:
            return Result(problem.detail)
        if 200 <= answer.status < 300:
            return Result(status=answer.status)
        return Result(
            f"The destination answered {answer.status}.", answer.status, answer.retry_after, gone=answer.status == GONE
        )

    def _mail(self, where: Row[Any], row: Row[Any], message: Message, now: int) -> Result:
        if self._relay is None:
            return Result("Email is not configured. An operator can set TALLYSTICK_SMTP_URL.")
        settings = msgspec.json.decode(where.settings)
        with self._database.read() as connection:
            may = members_of(connection, row.org_id) | set(settings.get("outside", ()))
        left = [one for one in (msgspec.json.decode(row.left) if row.left else settings["to"]) if one in may]
        problem, for_good, kept = "", True, []
        if not left:
            return Result("None of its addresses belongs to a member any more.", for_good=True)
        ends_at = time.monotonic() + MAIL_SECONDS
        for place, address in enumerate(left):
            if time.monotonic() > ends_at:  # the claim would run out, and another process send it too
                problem, for_good = "The mail server timed out before all recipients were served.", False
                kept += left[place:]
                break
            made_id = f"{message.id}.{place if not row.left else address.partition('@')[0]}"
            try:
                letter = compose(
                    self._relay, address, forms.mail_subject(message), forms.mail_text(message),
                    forms.mail_html(message), at=now, message_id=made_id if made_id.isascii() else "",
                )  # fmt: skip
                asyncio.run(send_email(self._relay, letter))
            except (InvalidEmail, EmailNotSent) as error:
                problem = str(error)
                for_good = for_good and (isinstance(error, InvalidEmail) or error.for_good)
                kept.append(address)
        return Result(problem, for_good=bool(problem) and for_good, left=tuple(kept))


def _claim(connection: Connection, place: Place, now: int) -> Row[Any] | None:
    """The oldest of a destination; None while another process sends to it."""
    mine = and_(deliveries.c.org_id == place[0], deliveries.c.destination_id == place[1])
    waiting = and_(mine, deliveries.c.state == "waiting", _is_due(now))
    under_way = select(deliveries.c.delivery_id).where(mine, not_(_unclaimed(now)))
    if connection.execute(under_way.limit(1)).first() is not None:
        return None
    first = select(deliveries).where(waiting, _unclaimed(now)).order_by(deliveries.c.delivery_id).limit(1)
    row = connection.execute(first).first()
    if row is None:
        return None
    claim = (
        update(deliveries)
        .where(deliveries.c.org_id == row.org_id, deliveries.c.delivery_id == row.delivery_id, _unclaimed(now))
        .values(claimed_until=now + CLAIM_SECONDS * SECOND_US)
    )
    return row if connection.execute(claim).rowcount else None


def _settle(connection: Connection, carried: Carried) -> None:
    """Write down how it went: the attempt, the delivery, the health of the destination."""
    row, result, now = carried.row, carried.result, carried.at
    where = connection.execute(select(destinations).where(is_destination(row.org_id, row.destination_id))).first()
    if where is None:
        return  # it was deleted meanwhile, with all of this
    attempts = row.attempts + 1
    connection.execute(
        insert(delivery_attempts).values(
            org_id=row.org_id, delivery_id=row.delivery_id, attempt=_next(connection, row), at=now,
            outcome="failed" if result.problem else "sent", status=result.status, milliseconds=carried.milliseconds,
            problem=result.problem[:300],
        )
    )  # fmt: skip
    values: dict[str, Any] = {"attempts": attempts, "problem": result.problem[:300], "claimed_until": None}
    over = not result.problem or result.for_good or result.gone or attempts > len(STEPS)
    if over:
        values |= {"state": "given_up" if result.problem else "sent", "finished_at": now}
        if not result.problem:
            values |= {"message": "", "left": ""}
    else:
        seconds = max(STEPS[attempts - 1], result.retry_after or 0)
        values["next_at"] = next_at = now + round(seconds * random.uniform(1.0, 1.1) * SECOND_US)
        _hold(connection, row, next_at)
    if result.left:
        values["left"] = msgspec.json.encode(result.left).decode()
    mine = and_(deliveries.c.org_id == row.org_id, deliveries.c.delivery_id == row.delivery_id)
    connection.execute(update(deliveries).where(mine).values(values))
    _note_health(connection, where, result, now, over=over)


def _forget(connection: Connection, now: int) -> None:
    """What is over for long."""
    connection.execute(delete(delivery_attempts).where(delivery_attempts.c.at < now - KEPT))
    connection.execute(delete(deliveries).where(deliveries.c.finished_at < now - KEPT))


def _next(connection: Connection, row: Row[Any]) -> int:
    """The number of the attempt, those before it was sent again counted too."""
    mine = and_(delivery_attempts.c.org_id == row.org_id, delivery_attempts.c.delivery_id == row.delivery_id)
    return (connection.execute(select(func.max(delivery_attempts.c.attempt)).where(mine)).scalar() or 0) + 1


def _hold(connection: Connection, row: Row[Any], next_at: int) -> None:
    """What waits for the same destination waits with it: one attempt at a time asks whether it is back."""
    others = and_(
        deliveries.c.org_id == row.org_id, deliveries.c.destination_id == row.destination_id,
        deliveries.c.state == "waiting", deliveries.c.next_at < next_at,
    )  # fmt: skip
    connection.execute(update(deliveries).where(others).values(next_at=next_at))


def _note_health(connection: Connection, where: Row[Any], result: Result, now: int, *, over: bool) -> None:
    """How the destination fares; the trail is told when that changes, not of each attempt."""
    mine = is_destination(where.org_id, where.destination_id)
    about = resource("destination", where.destination_id, PREFIX, where.name)
    if not result.problem:
        healthy = {"state": "ok", "failures": 0, "last_error": "", "last_success_at": now}
        connection.execute(update(destinations).where(mine, destinations.c.enabled).values(healthy))
        if where.state == "failing":
            record_own(
                connection,
                where.org_id,
                "audit_log.destination_recovered",
                by=TALLYSTICK,
                caller=NOWHERE,
                on=about,
                now=now,
            )
        if where.failures:
            # It is back: what waits goes now.
            waiting = and_(
                deliveries.c.org_id == where.org_id, deliveries.c.destination_id == where.destination_id,
                deliveries.c.state == "waiting",
            )  # fmt: skip
            connection.execute(update(deliveries).where(waiting).values(next_at=now))
        return
    failures = where.failures + 1
    values: dict[str, Any] = {"failures": failures, "last_error": result.problem[:300], "last_failure_at": now}
    fails = where.state == "ok" and (failures >= FAILING or over)
    if result.gone:
        values |= {"enabled": False, "state": "disabled"}
    elif fails:
        values["state"] = "failing"
    connection.execute(update(destinations).where(mine).values(values))
    if fails or result.gone:
        record_own(
            connection,
            where.org_id,
            "audit_log.destination_failed",
            by=TALLYSTICK,
            caller=NOWHERE,
            on=about,
            now=now,
            metadata={"error": result.problem[:300], "disabled": result.gone},
        )
        _tell_owners(connection, where, result, now)


def _tell_owners(connection: Connection, where: Row[Any], result: Result, now: int) -> None:
    """By mail, once: alerts do not arrive where they should. Without a mail server it waits until it is given up."""
    letter = Email(
        f"Alerts are not reaching {where.name}"[:180],
        (
            f"Tallystick cannot deliver to the destination {where.name}: {result.problem}",
            "The destination was turned off." if result.gone else "Delivery is retried for three days.",
            "Check it in Settings, Alerts.",
        ),
    )
    owners = (
        select(people.c.email)
        .join(memberships, memberships.c.user_id == people.c.user_id)
        .where(memberships.c.org_id == where.org_id, memberships.c.role == "owner")
        .where(memberships.c.disabled_at.is_(None), people.c.disabled_at.is_(None))
    )
    for address in connection.execute(owners).scalars():
        mailer.put(connection, where.org_id, address, letter, now=now)


def _unclaimed(now: int) -> ColumnElement[bool]:
    """A claim of the far future is of before the clock was set back."""
    until = deliveries.c.claimed_until
    return or_(until.is_(None), until < now, until > now + CLAIM_SECONDS * SECOND_US + SKEW_US)


def _is_due(now: int) -> ColumnElement[bool]:
    """A first attempt waits for no time: one of the future was put while the clock was ahead."""
    first = and_(deliveries.c.attempts == 0, deliveries.c.made_at > now + SKEW_US)
    return or_(deliveries.c.next_at <= now, first)
