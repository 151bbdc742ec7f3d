"""The thread that judges: whichever organizations have new events, a batch of each, then one transaction."""

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Connection, Row, delete, insert, select, update

from tallystick import clock
from tallystick.access import organizations
from tallystick.alerts import importing, rule_state
from tallystick.alerts import outcome as outcomes
from tallystick.alerts.evaluation import Found, Outcome, Position, Rules, judged
from tallystick.alerts.evaluator_cache import Standing
from tallystick.alerts.judges import Silence
from tallystick.alerts.reading import Reader
from tallystick.alerts.rule import Rule, read
from tallystick.alerts.tables import alert_hits, alert_positions, alert_rules
from tallystick.clock import DAY_US, SECOND_US
from tallystick.database.engine import Database
from tallystick.journal.recent import Recent
from tallystick.ledger.tables import logs
from tallystick.store.errors import StoreError
from tallystick.store.events import EventStore
from tallystick.work.background import Background
from tallystick.work.leases import Lease
from tallystick.work.pauses import Pauses

IDLE_SECONDS = 1.0  # another node's commits are not told to this one
GATHER_SECONDS = 0.2
LEASE_SECONDS = 60
PAUSE_SECONDS = 5
EVENTS_AT_ONCE = 20_000
BEHIND = 2000  # events of one organization in a step: there are more, and no time to gather
ALERTS_AT_ONCE = 500
SILENCE_EVERY = 5 * SECOND_US
LONGEST_KEPT = 400 * DAY_US
RETURN_US = 600 * SECOND_US  # senders may need so long to find us again after a start
logger = structlog.get_logger(__name__)


class Evaluator(Background):
    """Judges every event once by each rule. `told` is called when something was written for the trail."""

    def __init__(
        self, database: Database, store: EventStore, recent: Recent, public_url: str, deliver: Callable[[], None],
        told: Callable[[], None],
    ) -> None:  # fmt: skip
        lease = Lease(database, "alerts", seconds=LEASE_SECONDS)
        super().__init__("alerts", idle_seconds=IDLE_SECONDS, breath_seconds=GATHER_SECONDS, lease=lease)
        self._database = database
        self._reader = Reader(database, store, recent)
        self._standing = Standing()
        self._public_url = public_url
        self._deliver = deliver
        self._told = told
        self._rules: dict[UUID, tuple[list[Row[Any]], Rules]] = {}
        self._pauses = Pauses[UUID]("alerts", seconds=PAUSE_SECONDS)
        self._silence_at = 0
        self._began_at: int | None = None
        self._turn: dict[UUID, int] = {}  # the step that judged an organization last
        self._steps = 0
        self._behind_much = False

    def breath(self, _taken: float) -> float:
        return 0.0 if self._behind_much else GATHER_SECONDS

    def step(self, now: int | None = None) -> bool:
        """A batch of each organization that has new events; False when none has. `now` in microseconds."""
        now = clock.now_us() if now is None else now
        if not self.may_work(now):
            return False
        self._began_at = now if self._began_at is None else self._began_at
        done = self._judge_some(self._behind(now), now)
        number = self._write(done, now) if done else 0
        if not done and not 0 <= self._silence_at - now <= SILENCE_EVERY:
            self._silence_at = now + SILENCE_EVERY
            number += self._listen(now)
        if number:
            self._deliver()
            self._told()
        return bool(done)

    def _behind(self, now: int) -> list[tuple[UUID, Position]]:
        next_index = alert_positions.c.next_index
        rows = (
            select(logs.c.org_id, next_index, alert_positions.c.newest_at)
            .outerjoin(alert_positions, alert_positions.c.org_id == logs.c.org_id)
            .where((logs.c.size > next_index) | next_index.is_(None))
        )
        with self._database.read() as connection:
            found = connection.execute(rows).all()
        new = [row.org_id for row in found if row.newest_at is None or row.newest_at < 0]
        if new:
            self._begin(new, now)
        behind = [(row.org_id, (row.next_index, row.newest_at)) for row in found if row.org_id not in new]
        free = [one for one in behind if not self._pauses.is_paused(one[0], now)]
        free.sort(key=lambda one: self._turn.get(one[0], 0))
        with self._database.read() as connection:
            self._compile(connection, [org_id for org_id, _ in free])
        return free

    def _begin(self, org_ids: list[UUID], now: int) -> None:
        """With organizations that are new, or that are new to rules."""
        for org_id in org_ids:
            with self._database.write() as connection:
                mine = alert_positions.c.org_id == org_id
                known = connection.execute(update(alert_positions).where(mine).values(newest_at=0)).rowcount
                if not known:
                    row = {"org_id": org_id, "next_index": 0, "newest_at": 0, "pruned_at": now}
                    connection.execute(insert(alert_positions).values(row))
                importing.begin(connection, org_id, new=not known, now=now)

    def _compile(self, connection: Connection, org_ids: list[UUID]) -> None:
        rows = connection.execute(
            select(alert_rules)
            .where(alert_rules.c.org_id.in_(org_ids), alert_rules.c.enabled, alert_rules.c.learnt)
            .order_by(alert_rules.c.org_id, alert_rules.c.rule_id)
        )
        rules: dict[UUID, list[Row[Any]]] = {org_id: [] for org_id in org_ids}
        for row in rows:
            rules[row.org_id].append(row)
        for org_id, mine in rules.items():
            kept = self._rules.get(org_id)
            if kept is None or kept[0] != mine:
                self._rules[org_id] = mine, Rules([read(row) for row in mine])
                # An erasure makes every rule another: what is in memory may name whom the log no longer names.
                self._reader.recent.forget(org_id)

    def _judge_some(self, behind: list[tuple[UUID, Position]], now: int) -> list[Outcome]:
        """Of as many organizations as a step takes, whoever waits longest first."""
        self._steps += 1
        done: list[Outcome] = []
        events = most = 0
        for org_id, at in behind:
            if events >= EVENTS_AT_ONCE:
                break
            self._turn[org_id] = self._steps
            made = self._judge(org_id, at, now)
            if made is not None:
                done.append(made)
                most = max(most, made.next_index - made.first)
                events += made.next_index - made.first
        self._behind_much = most >= BEHIND or events >= EVENTS_AT_ONCE
        return done

    def _judge(self, org_id: UUID, at: Position, now: int) -> Outcome | None:
        """What fails for one organization keeps none of the others waiting."""
        standing = self._standing.take(org_id, at[0])
        return self._pauses.attempt(
            org_id, now, lambda: judged(self._reader, self._rules[org_id][1], org_id, at, standing)
        )  # fmt: skip

    def _write(self, done: list[Outcome], now: int) -> int:
        """All of them in one transaction, since a disk syncs so often a second only; each alone where that fails."""
        try:
            return self._write_these(done, now)
        except Exception as error:
            if len(done) > 1:
                logger.info("outcomes_written_one_by_one", error=repr(error)[:500])
            return sum(
                self._pauses.attempt(one.org_id, now, partial(self._write_these, [one], now)) or 0 for one in done
            )

    def _write_these(self, done: list[Outcome], now: int) -> int:
        with self._database.write() as connection:
            told = outcomes.write(connection, done, self._public_url, now=now)
            self._prune(connection, list(told), now)
        for one in done:
            if one.org_id in told:
                self._standing.keep(one.org_id, one.next_index, one.judges, one.hits)
        return sum(told.values())

    def _prune(self, connection: Connection, org_ids: list[UUID], now: int) -> None:
        """Once a day: what is older than the events that are kept, no late event can meet."""
        mine, due = alert_positions.c.org_id.in_(org_ids), alert_positions.c.pruned_at < now - DAY_US
        for org_id in connection.execute(select(alert_positions.c.org_id).where(mine, due)).scalars().all():
            connection.execute(update(alert_positions).where(alert_positions.c.org_id == org_id).values(pruned_at=now))
            kept = min(organizations.kept_days(connection, org_id, now) * DAY_US, LONGEST_KEPT)
            connection.execute(delete(alert_hits).where(alert_hits.c.org_id == org_id, alert_hits.c.at < now - kept))

    def _listen(self, now: int) -> int:
        """Rules that wait for silence."""
        with self._database.read() as connection:
            rows = connection.execute(select(alert_rules).where(alert_rules.c.enabled, alert_rules.c.learnt))
            waiting = [rule for rule in map(read, rows) if rule.shape.kind == "silence" and self._heard(rule, now)]
        return sum(self._listen_for(rule, now) for rule in waiting)

    def _heard(self, rule: Rule, now: int) -> bool:
        """Whether we listened long enough to call it silence: it may have been we who were away."""
        return now - (self._began_at or now) >= min(rule.shape.window_us, RETURN_US)

    def _listen_for(self, rule: Rule, now: int) -> int:
        judge = Silence(rule.shape)
        rule_state.remembered(self._database, rule, judge)
        found = Found(rule, judge, [])
        for firing in judge.silent(now):
            try:
                last = self._reader.one(rule.org_id, firing.hit.seq) if firing.hit else None
            except StoreError:
                return 0  # who fell silent is asked of the store: tell it when it answers
            found.firings.append((firing, last))
        if not judge.touched:
            return 0
        with self._database.write() as connection:
            return outcomes.write_silence(connection, found, self._public_url, now=now)
