"""Events on their way in, as a door would hand them over."""

from typing import Any

import msgspec
import pytest

from tallystick.clock import to_us
from tallystick.errors import Invalid
from tallystick.events.incoming import Moment
from tallystick.events.intake import read_request
from tallystick.events.prepared import Prepared
from tallystick.query.scope import Principal
from tallystick.setting_values import REDACTED_KEYS

JSON = "application/json"
NDJSON = "application/x-ndjson"
KEY = Principal("api_key", "key_01hm6rsan500000000000000aa", "ci")
REDACTED = frozenset(REDACTED_KEYS)


def at(text: str) -> int:
    return to_us(msgspec.convert(text, Moment))


NOW = at("2024-01-15T14:30:50Z")

SEEDS_EVENT = {
    "action": "deployment.failed",
    "description": "terraform apply",
    "timestamp": "2024-01-15T14:30:45.120Z",
    "status": "failed",
    "category": "deployments",
    "actor": {"type": "user", "id": "usr_456", "email": "sarah@acme.com", "name": "Sarah Lin"},
    "resource": {"type": "project", "id": "prj_88", "name": "api-infrastructure"},
    "context": {
        "ip_address": "192.168.1.50", "user_agent": "Chrome/120.0", "request_id": "req_1", "session_id": "ses_1",
        "trace_id": "trc_1", "source": "api",
    },
    "changes": {
        "error": "Policy violation: S3 encryption required", "resources_planned": 5, "resources_applied": 2,
    },
    "request": {"deployment_id": "dep_789", "trigger": "manual"},
    "response": {"status": 422},
    "metadata": {"team": "platform"},
    "external_id": "ci-4711",
}  # fmt: skip


def read(body: bytes, content_type: str = JSON, *, by: Principal = KEY) -> list[Prepared]:
    return read_request(body, content_type, received_at=NOW, recorded_by=by, redacted_keys=REDACTED)


def send(*events: object) -> list[Prepared]:
    return read(msgspec.json.encode(events))


def send_one(**fields: Any) -> Prepared:
    [prepared] = send({"action": "project.updated"} | fields)
    return prepared


def problems(body: bytes, content_type: str = JSON) -> list[tuple[int, str, str]]:
    """Index, field and code of each problem."""
    with pytest.raises(Invalid) as refusal:
        read(body, content_type)
    assert all(problem["detail"].endswith((".", "?")) for problem in refusal.value.extra["errors"])
    return [(problem["index"], problem["field"], problem["code"]) for problem in refusal.value.extra["errors"]]


def problem_of(**fields: Any) -> tuple[str, str]:
    """Field and code of the only problem of one event."""
    [(_, field, code)] = problems(msgspec.json.encode({"action": "project.updated"} | fields))
    return field, code
