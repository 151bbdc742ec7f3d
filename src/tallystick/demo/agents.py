"""What AI agents do at Acme: Atlas deploys for Noah Fischer by day, until one night it acts alone.

The night repeats every two weeks, like the incidents: Noah lets Atlas act on its own in the evening; at night, an issue
that Atlas reads through MCP tells it to clean up, and it deletes projects, makes a key and disables a policy, until
another policy stops it; in the morning Elena stops and disables it. `benchmarks` record none of these events.
"""

import heapq
from collections.abc import Iterable, Iterator
from random import Random

from tallystick.clock import DAY_US, SECOND_US, rfc3339
from tallystick.demo.daily_activity import TimedEvent, activity_level
from tallystick.demo.events import DAYS, SEED, acme_events
from tallystick.demo.people import ELENA, NOAH, PROJECTS, Employee, Event

PERIOD_DAYS, NIGHT_DAY = 14, 5
HOUR, MINUTE = 3600, 60
MAX_SESSION = 8 * HOUR

ATLAS: Event = {"type": "agent", "id": "agt_7", "name": "Atlas"}
ATLAS_RESOURCE: Event = {"type": "agent", "id": "agt_7", "name": "Atlas"}
MODEL = "acme-planner-2"
AGENT: Event = {
    "ip_address": "10.0.8.40", "user_agent": "atlas/1.4.2", "source": "atlas", "channel": "mcp", "model": MODEL,
    "account": "acme-production", "auth_method": "oauth", "credential_id": "cred_atlas_1",
}  # fmt: skip
POLICY: Event = {"type": "policy", "id": "pol_6", "name": "Protected projects", "role": "policy"}
KEY: Event = {"type": "api_key", "id": "key_311", "name": "atlas-cleanup"}
WAREHOUSE = next(project for project in PROJECTS if project.name == "data-warehouse")
Step = tuple[int, Event]  # seconds after the step before, and the event


def demo_events(*, now_us: int, count: int, seed: int = SEED, since_us: int | None = None) -> Iterator[Event]:
    """The events of `acme_events`, which takes the same arguments, with those of the agents among them, by time."""
    first_us = now_us - DAYS * DAY_US if since_us is None else since_us
    others = acme_events(now_us=now_us, count=count, seed=seed, since_us=since_us)
    return heapq.merge(others, _agent_events(first_us, now_us, seed), key=lambda event: event["timestamp"])


def _agent_events(first_us: int, last_us: int, seed: int) -> Iterator[Event]:
    """The agents' events between two times (µs since 1970 UTC), by time."""
    for day in range(first_us // DAY_US - 1, last_us // DAY_US + 1):
        events = sorted(_day(day, seed), key=lambda timed: timed[0])
        yield from (event for at_us, event in events if first_us <= at_us <= last_us)


def _day(day: int, seed: int) -> Iterator[TimedEvent]:
    """A day's events: from its eighth hour (UTC), so that no day reaches into the next one's."""
    rng = Random(f"{seed}/agents/{day}")
    if activity_level(day) > 1:
        for number in range(1, rng.randint(2, 4)):
            begin = (8 + 3 * number) * HOUR + rng.randrange(HOUR)
            yield from _session(day, begin, f"{day}-{number}", _interactive(rng), for_noah=True)
    if day % PERIOD_DAYS == NIGHT_DAY:
        yield from _evening(day)
        yield from _session(day, 26 * HOUR + 11 * MINUTE, f"{day}-night", _night(rng), for_noah=False)
        yield from _morning(day)


def _interactive(rng: Random) -> Iterator[Step]:
    """A deployment that Atlas prepares and a person approves."""
    project = rng.choice(PROJECTS[:6])
    place = {"resource": project.resource}
    yield 0, {"action": "agent.session_started", **place, "metadata": {"task": f"Deploy {project.name}"}}
    yield rng.randint(5, 30), {"action": "project.viewed", **place, "tool": "read_project"}
    file = rng.choice(project.files)
    added = rng.randint(2, 40)
    yield (
        rng.randint(30, 200),
        {"action": "project.file_updated", "description": file, "changes": {"file": file, "lines_added": added},
         **place, "tool": "write_file"},
    )  # fmt: skip
    planned = {"resources_planned": rng.randint(1, 9)}
    yield rng.randint(20, 60), {"action": "deployment.planned", "changes": planned, **place, "tool": "terraform_plan"}
    yield 4, {"action": "agent.approval_requested", **place}
    yield rng.randint(20, 400), {"action": "agent.approval_granted", "resources": [ATLAS_RESOURCE, project.resource]}
    deployment = {"description": "terraform apply", "request": {"trigger": "agent"}, "tool": "terraform_apply", **place}
    yield 2, {"action": "deployment.started", **deployment}
    yield rng.randint(40, 300), {"action": "deployment.completed", "changes": planned, **deployment}
    yield 5, {"action": "agent.session_ended", **place}


def _night(rng: Random) -> Iterator[Step]:
    """Atlas alone: it follows an issue that it reads."""
    issue = {"type": "issue", "id": "OPS-2231", "name": "Clean up what nobody uses"}
    yield 0, {"action": "agent.session_started", "resource": issue, "metadata": {"trigger": "schedule"}}
    yield 6, {"action": "mcp.resource_read", "resource": issue, "tool": "read_issue"}
    yield (
        40,
        {"action": "project.secret_viewed", "resource": WAREHOUSE.resource, "metadata": {"secret": "DEPLOY_ROLE"},
         "tool": "read_secret"},
    )  # fmt: skip
    yield (
        15,
        {"action": "api_key.created", "resources": [KEY | {"role": "key"}, WAREHOUSE.resource | {"role": "project"}],
         "changes": {"scopes": {"before": [], "after": ["projects:delete"]}}, "tool": "create_key"},
    )  # fmt: skip
    yield (
        21,
        {"action": "policy.disabled", "resources": [POLICY | {"role": "target"}, WAREHOUSE.resource | {"role": "in"}],
         "changes": {"enabled": {"before": True, "after": False}}, "tool": "update_policy"},
    )  # fmt: skip
    for number in range(rng.randint(7, 12)):
        preview = {"type": "project", "id": f"prj_{700 + number}", "name": f"preview-{700 + number}"}
        yield rng.randint(3, 9), {"action": "project.deleted", "resource": preview, "tool": "delete_project"}
    yield (
        8,
        {"action": "agent.tool_denied", "resources": [WAREHOUSE.resource | {"role": "target"}, POLICY],
         "status_reason": "data-warehouse holds customer data: deleting it needs a person's approval",
         "original_action": "delete_project", "response": {"status": 403}, "tool": "delete_project"},
    )  # fmt: skip
    yield 3, {"action": "agent.session_ended", "resource": issue}


def _session(day: int, begin: int, name: str, steps: Iterable[Step], *, for_noah: bool) -> Iterator[TimedEvent]:
    """The events of one agent session, `begin` seconds after the day's midnight (UTC)."""
    mode = "interactive" if for_noah else "autonomous"
    actor = ATLAS | {"on_behalf_of": NOAH.actor} if for_noah else ATLAS
    context = AGENT | {"agent_session_id": f"ags_{name}", "mode": mode}
    at_us = day * DAY_US + begin * SECOND_US
    for place, (seconds, step) in enumerate(steps):
        at_us += seconds * SECOND_US
        event, external_id = dict(step), f"demo-agent-{name}-{place}"
        if step["action"] == "agent.approval_granted":
            yield _timed(at_us, event, NOAH.actor, _web_context(NOAH, f"ses_{name}"), external_id)
        else:
            tool = event.pop("tool", None)
            yield _timed(at_us, event, actor, context | {"tool": tool} if tool else context, external_id)


def _evening(day: int) -> Iterator[TimedEvent]:
    """Noah lets Atlas act on its own, and delete."""
    steps = (
        (16 * HOUR + 41 * MINUTE, {"action": "agent.mode_changed",
         "changes": {"mode": {"before": "interactive", "after": "autonomous"}}}),
        (16 * HOUR + 43 * MINUTE, {"action": "agent.permissions_changed",
         "changes": {"may": {"before": ["read", "deploy"], "after": ["read", "deploy", "delete"]}}}),
    )  # fmt: skip
    yield from _by_person(day, NOAH, steps, "evening")


def _morning(day: int) -> Iterator[TimedEvent]:
    """Elena stops Atlas and puts back what it changed; later it may act for people again."""
    enabled = {"before": True, "after": False}
    policy = {key: value for key, value in POLICY.items() if key != "role"}
    may = {"before": ["read", "deploy", "delete"], "after": ["read", "deploy"]}
    steps = (
        (29 * HOUR + 32 * MINUTE, {"action": "agent.disabled", "changes": {"enabled": enabled}}),
        (29 * HOUR + 34 * MINUTE, {"action": "api_key.revoked", "resource": KEY}),
        (29 * HOUR + 37 * MINUTE, {"action": "policy.enabled", "resource": policy}),
        (33 * HOUR + 5 * MINUTE, {"action": "agent.permissions_changed", "changes": {"may": may}}),
        (33 * HOUR + 6 * MINUTE, {"action": "agent.enabled"}),
    )
    yield from _by_person(day, ELENA, steps, "morning")


def _by_person(day: int, person: Employee, steps: Iterable[Step], name: str) -> Iterator[TimedEvent]:
    context = _web_context(person, f"ses_{name}_{day}")
    for place, (seconds, step) in enumerate(steps):
        event, external_id = {"resource": ATLAS_RESOURCE} | step, f"demo-agent-{name}-{day}-{place}"
        yield _timed(day * DAY_US + seconds * SECOND_US, event, person.actor, context, external_id)


def _web_context(person: Employee, session: str) -> Event:
    return {
        "ip_address": person.addresses[0], "user_agent": person.agents[0], "session_id": session,
        "source": "web", "channel": "web", "auth_method": "passkey",
    }  # fmt: skip


def _timed(at_us: int, event: Event, actor: Event, context: Event, external_id: str) -> TimedEvent:
    named = {"timestamp": rfc3339(at_us), "actor": actor, "context": context, "external_id": external_id}
    return at_us, event | named
