"""Events that the tests of the pages tell, as a client sends them."""

from typing import Any

Event = dict[str, Any]

SARAH = {"type": "user", "id": "usr_456", "email": "sarah@acme.com", "name": "Sarah Lin"}
JOHN = {"type": "user", "id": "usr_7", "email": "john@example.com", "name": "John Doe"}
PROJECT = {"type": "project", "id": "prj_88", "name": "api-infrastructure"}

# Each is what somebody might hope a page runs.
ZOO = (
    "<script>window.bitten = 1</script>",
    "\"><img src=x onerror='window.bitten = 1'>",
    "<svg/onload=window.bitten=1>",
    "'-window.bitten-'",
    "{{ 7 * 7 }}${7*7}#{7*7}",
    "</textarea></title></pre><b>bold</b>",
    "javascript:window.bitten=1",
    "&lt;b&gt; &amp;amp;",
    "\u202egnp.exe",
    "<div hx-get='/audit-logs' hx-trigger='load'>",
    "-->]]><!--",
)


def story() -> list[Event]:
    """How a deployment of Sarah's failed."""
    context = {"ip_address": "192.168.1.50", "user_agent": "Chrome/120.0"}
    told: list[tuple[str, str, Event]] = [
        ("14:25:33", "user.login", {}),
        ("14:28:10", "project.file_updated", {"resource": PROJECT, "description": "main.tf"}),
        ("14:30:42", "deployment.started", {"resource": PROJECT}),
        (
            "14:30:45",
            "deployment.failed",
            {
                "resource": PROJECT,
                "description": "terraform apply",
                "changes": {
                    "error": "Policy violation: S3 encryption required",
                    "resources_planned": 5,
                    "resources_applied": 2,
                    "mode": {"before": "plan", "after": "apply"},
                },
                "request": {"deployment_id": "dep_789", "trigger": "manual", "token": "hunter2"},
                "response": {"status": 422},
                "metadata": {"team": "platform"},
            },
        ),
    ]
    return [
        {"action": action, "timestamp": f"2024-01-15T{time}Z", "actor": SARAH, "context": context, **rest}
        for time, action, rest in told
    ]


def routine(count: int) -> list[Event]:
    """Days of John's, one event each hour, all before Sarah's story."""
    return [
        {
            "action": "workflow.executed" if number % 2 else "integration.tested",
            "timestamp": f"2024-01-{1 + number // 24:02}T{number % 24:02}:00:00Z",
            "actor": JOHN,
            "resource": {"type": "network", "id": f"vpc-{number}", "name": "vpc-production"},
            "context": {"ip_address": "10.0.0.7"},
        }
        for number in range(count)
    ]


def zoo() -> list[Event]:
    """One event for each animal, with it in every field that takes text."""
    return [
        {
            "action": "zoo.visited",
            "description": animal,
            "timestamp": f"2024-02-01T00:00:{number:02}Z",
            "actor": {"type": "user", "id": animal, "email": animal, "name": animal},
            "resource": {"type": animal, "id": animal, "name": animal},
            "context": {"user_agent": animal, "request_id": animal, "session_id": animal, "source": animal},
            "changes": {animal: {"before": animal, "after": animal}, "plain": animal},
            "request": {animal: [animal]},
            "response": {"body": animal},
            "metadata": {"note": animal},
            "external_id": f"{number} {animal}"[:128],
        }
        for number, animal in enumerate(ZOO)
    ]
