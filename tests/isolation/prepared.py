"""An organization that has one of everything, with its people, keys and sessions, beside a running server."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
from sqlalchemy import select, update

from tallystick import ids
from tallystick.access import keys, members, organizations, people, sessions
from tallystick.access.csrf import form_token
from tallystick.access.decisions import request_decision
from tallystick.access.scopes import PERMISSIONS, operator_scope, person_scope
from tallystick.access.sessions import cookie_name
from tallystick.access.tables import api_keys, decisions, memberships
from tallystick.actions.tables import action_descriptions
from tallystick.alerts.tables import alert_rules, alerts
from tallystick.cases import changes as case_changes
from tallystick.cases.tables import cases
from tallystick.clock import now_us
from tallystick.compliance.tables import review_findings, review_reminders, reviews
from tallystick.database.engine import Database
from tallystick.destinations.approval import approve
from tallystick.destinations.tables import destinations
from tallystick.erasure.tables import erasures
from tallystick.exports.tables import export_links, exports
from tallystick.intake_rules.tables import intake_rule_lists
from tallystick.invitations.tables import invitations
from tallystick.ledger import log
from tallystick.retention.holds import RELEASE
from tallystick.retention.tables import legal_holds
from tallystick.saved import saved_views
from tallystick.saved.tables import saved_views as saved_views_table
from tallystick.schedules.tables import export_schedules, schedule_recipients
from tests.fixtures.quiet import without_rules
from tests.fixtures.servers import Server
from tests.fixtures.waiting import PATIENCE_SECONDS, wait_until

ROLES = ("owner", "admin", "auditor", "member")
# What nobody else may change; without the columns that background work changes.
KEPT = (action_descriptions, alert_rules, cases, decisions, export_links, export_schedules, intake_rule_lists,
        invitations, legal_holds,
        review_findings, review_reminders, reviews, saved_views_table, schedule_recipients)  # fmt: skip
KEPT_COLUMNS = (
    *(destinations.c[name] for name in ("destination_id", "name", "settings", "sealed", "enabled", "approval")),
    *(memberships.c[name] for name in ("user_id", "role", "disabled_at")),
    *(api_keys.c[name] for name in ("key_id", "scopes", "revoked_at")),
    *(alerts.c[name] for name in ("alert_id", "state", "note")),
    *(exports.c[name] for name in ("export_id", "gone")),
    *(erasures.c[name] for name in ("erasure_id", "confirmed_by")),
)


@dataclass
class Prepared:
    """One organization. `ids` are the ids of its things, by the name of the thing."""

    server: Server
    database: Database
    slug: str
    ids: dict[str, str] = field(default_factory=dict)
    _keys: dict[frozenset[str], str] = field(default_factory=dict)
    _sessions: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        now = now_us()
        with self.database.write() as connection:
            self.org_id = organizations.create(connection, self.slug, self.slug, "enterprise", 36_500, now=now).org_id
            log.create(connection, self.org_id, now=now)
            without_rules(connection, self.org_id, now)
            self.operator = operator_scope(self.org_id)
            self.people = {
                role: people.create(connection, self.operator, f"{role}@{self.slug}.example", role, now=now)
                for role in ROLES
            }

    def key(self, *scopes: str) -> str:
        """The key that has exactly these scopes."""
        wanted = frozenset(scopes)
        if wanted not in self._keys:
            self._keys[wanted] = self._new_key(*scopes)
        return self._keys[wanted]

    def useless_keys(self) -> dict[str, str]:
        """Keys that authenticate nobody, by the code of the refusal."""
        found = {code: self._new_key(*PERMISSIONS) for code in ("key_expired", "key_revoked")}
        elsewhere = self._new_key(*PERMISSIONS, allowed_networks=["192.0.2.0/24"])
        with self.database.write() as connection:
            for code, values in (("key_expired", {"expires_at": 1}), ("key_revoked", {"revoked_at": 1})):
                key = keys.find_by_token(connection, found[code])
                connection.execute(update(api_keys).where(api_keys.c.key_id == key.key_id).values(values))
        return found | {"address_not_allowed": elsewhere, "bad_api_key": "tsk_" + "0" * 36}

    def client(self, key: str = "") -> httpx.Client:
        """A client with this key; without one, an anonymous one."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return httpx.Client(base_url=self.server.url, headers=headers, timeout=PATIENCE_SECONDS, verify=False)  # noqa: S501

    def session(self, role: str) -> str:
        """The cookie's value of a person of this role who is signed in; `gone` was disabled afterwards."""
        if role not in self._sessions:
            with self.database.write() as connection:
                if role == "gone":
                    gone = people.create(connection, self.operator, f"gone@{self.slug}.example", "owner", now=now_us())
                    self.people[role] = gone
                token = sessions.begin(connection, self.people[role].user_id, self.org_id, now=now_us())
                if role == "gone":
                    members.set_disabled(connection, self.operator, gone.user_id, True, now=now_us())
            self._sessions[role] = str(token)
        return self._sessions[role]

    def cookies(self, role: str) -> dict[str, str]:
        return {cookie_name(self.server.url): self.session(role)}

    def form_token(self, role: str) -> str:
        return form_token(self.session(role))

    def state(self) -> list[Any]:
        """What of this organization only its people and keys may change."""
        with self.database.read() as connection:
            found = [connection.execute(select(one).where(one.c.org_id == self.org_id)).all() for one in KEPT]
            for column_table in dict.fromkeys(column.table for column in KEPT_COLUMNS):
                columns = [column for column in KEPT_COLUMNS if column.table is column_table]
                rows = connection.execute(select(*columns).where(column_table.c.org_id == self.org_id))
                found.append(sorted(map(tuple, rows), key=repr))
        return found

    def furnish(self) -> None:
        """One of everything: made over the API where that makes it."""
        owner = person_scope(self.org_id, self.people["owner"].principal, "owner")
        with self.client(self.key(*PERMISSIONS)) as all_of_it, self.client(self.key("exports")) as exporting:
            post = self._poster(all_of_it)
            with self.database.write() as connection:
                leaver = people.create(connection, self.operator, f"leaver@{self.slug}.example", "member", now=now_us())
            self.ids["member"] = leaver.public_id
            self.ids["action"] = f"{re.sub('[^a-z0-9]', '_', self.slug)}.described"
            assert all_of_it.put(f"/v1/actions/{self.ids['action']}", json={"severity": "low"}).status_code == 200
            self.ids["api_key"] = self.ids["key"] = post("/v1/api-keys", name="Spare", scopes=["admin"])
            self.ids["invitation"] = post("/v1/invitations", email=f"new@{self.slug}.example", role="member")
            self.ids["member"] = ids.encode("usr", self.people["auditor"].user_id.bytes)
            self.ids["destination"] = post("/v1/destinations", kind="webhook", settings={"url": "https://h.invalid/in"})
            with self.database.write() as connection:
                approve(connection, self.operator, self.ids["destination"], None, now=now_us())
            rule = {"name": "Rule", "query": "action:thing.done", "count": 1, "window_seconds": 60}
            self.ids["rule"] = post("/v1/alert-rules", **rule, destinations=[self.ids["destination"]])
            events = [{"action": "thing.done", "timestamp": "2024-01-15T12:00:00Z", "actor": {"email": "x@y.example"}}]
            recorded = all_of_it.post("/v1/audit-logs?wait=searchable", json={"events": events * 3}).json()
            with self.database.write() as connection:
                person = people.create(connection, self.operator, f"busy@{self.slug}.example", "member", now=now_us())
                token = sessions.begin(connection, person.user_id, self.org_id, now=now_us())
                self.ids["session"] = sessions.find_by_token(connection, token, now_us()).public_id
            self.ids["event"] = recorded["events"][0]["id"]
            self.ids["export"] = self._poster(exporting)("/v1/exports", format="csv")
            self.ids["schedule"] = self._poster(exporting)(
                "/v1/export-schedules", frequency="daily", recipients=[f"owner@{self.slug}.example"]
            )
            self.ids["hold"] = post("/v1/legal-holds", name="Hold", query="action:never.done")
            held = ids.parse_uuid("hold", post("/v1/legal-holds", name="Other", query="action:never.done"))
            with self.database.write() as connection:
                decision = request_decision(connection, owner, RELEASE, held, now=now_us())
            self.ids |= {"decision": decision.public_id, "request": decision.public_id}
            self.ids["intake_rule"] = post("/v1/intake-rules", query="action:never.done", do="keep", days=36_500)
            self.ids["erasure"] = post("/v1/erasures", subject={"email": "no@where.example"}, reason="Request 1")
            period = {"start": "2024-01-01", "end": "2024-01-31"}
            self.ids["review"] = post("/v1/reviews", period=period)
            all_of_it.post(f"/v1/reviews/{self.ids['review']}/findings", json={"event": self.ids["event"]})
            reminder = {"weekday": 0, "at": "09:00", "recipients": [f"owner@{self.slug}.example"]}
            assert all_of_it.put("/v1/review-reminder", json=reminder).status_code == 200
            self.ids["report"] = post("/v1/reports", framework="soc2", **period)
            with self.database.write() as connection:
                case = case_changes.open_case(connection, owner, "Case", now=now_us())
                self.ids["case"] = case.public_id
                view = saved_views.save_view(connection, owner, "View", "status=failed", now=now_us())
                self.ids["view"] = view.id
            self._wait_for(all_of_it)
            answer = exporting.post(f"/v1/exports/{self.ids['export']}/link", json={}).json()
            self.ids |= {"link": answer["id"], "token": answer["url"].rpartition("/")[2]}

    def _wait_for(self, client: httpx.Client) -> None:
        """Until what the server makes in the background is there."""
        for name, path in (("export", "exports"), ("report", "exports")):
            wait_until(lambda path=f"/v1/{path}/{self.ids[name]}": client.get(path).json()["status"] == "completed")
        alert = wait_until(lambda: client.get("/v1/alerts").json()["data"])[0]
        self.ids["alert"] = alert["id"]
        path = f"/v1/destinations/{self.ids['destination']}/deliveries"
        self.ids["delivery"] = wait_until(lambda: client.get(path).json()["data"])[0]["id"]
        wait_until(lambda: client.get(f"/v1/erasures/{self.ids['erasure']}").json()["state"] == "ready")

    @staticmethod
    def _poster(client: httpx.Client) -> Callable[..., str]:
        def post(path: str, **body: Any) -> str:
            answer = client.post(path, json=body)
            assert answer.is_success, f"{path}: {answer.text}"
            return str(answer.json()["id"])

        return post

    def _new_key(self, *scopes: str, **more: Any) -> str:
        with self.database.write() as connection:
            return str(keys.create_key(connection, self.operator, "test", scopes, now=now_us(), **more))
