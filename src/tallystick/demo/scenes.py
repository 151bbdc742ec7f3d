"""Scenes of which a person's session consists: each yields a few events that belong together."""

from collections.abc import Callable, Iterator
from random import Random

from tallystick.demo.people import PROJECTS, Event, Project

Step = tuple[float, Event]  # seconds after the previous step, and the event without timestamp, actor and context
Scene = Callable[[Random], Iterator[Step]]

BRANCHES = ("main", "main", "release/2.8", "feature/cost-tags", "fix/timeouts", "chore/upgrade-providers")
FAILURES = (
    "Error acquiring the state lock: ConditionalCheckFailedException",
    "Provider timeout while creating aws_db_instance.primary",
    "Quota exceeded: vCPU limit of 64 reached in {region}",
    "Policy violation: security group open to 0.0.0.0/0",
    'Invalid value for variable "instance_type": "m7g.huge"',
)
GUESTS = ("iris", "paul", "nadia", "viktor", "chloe", "samuel", "ingrid", "mateo")
ROLES = ("member", "auditor", "admin")


def random_hex(rng: Random, digits: int) -> str:
    return f"{rng.getrandbits(4 * digits):0{digits}x}"


def random_pause(rng: Random, mean: float) -> float:
    """Random seconds until the next step: mostly short, sometimes long."""
    return 1.0 + min(rng.expovariate(1 / mean), 8 * mean)


def random_project(rng: Random) -> Project:
    """A random project; earlier ones of the list are more likely."""
    return PROJECTS[min(rng.randrange(len(PROJECTS)), rng.randrange(len(PROJECTS)))]


def edit_files(rng: Random) -> Iterator[Step]:
    project = random_project(rng)
    branch = rng.choice(BRANCHES)
    for _ in range(rng.randint(1, 4)):
        file = rng.choice(project.files)
        verb = rng.choices(("file_updated", "file_viewed", "file_created", "file_deleted"), (70, 20, 8, 2))[0]
        event: Event = {"action": f"project.{verb}", "description": file, "resource": project.resource}
        if verb == "file_updated":
            event["changes"] = {
                "file": file,
                "lines_added": rng.randint(1, 60),
                "lines_removed": rng.randint(0, 25),
                "sha": {"before": random_hex(rng, 12), "after": random_hex(rng, 12)},
            }
        else:
            event["changes"] = {"file": file}
        event["request"] = {"branch": branch, "commit": random_hex(rng, 10), "method": "PUT"}
        event["metadata"] = {"team": project.team}
        yield random_pause(rng, 160), event


def deployment_request(rng: Random, trigger: str) -> Event:
    return {
        "deployment_id": f"dep_{rng.randint(1_000, 99_999)}",
        "trigger": trigger,
        "branch": rng.choice(BRANCHES),
        "commit": random_hex(rng, 10),
    }


def deployment_outcome(rng: Random, project: Project, planned: int, failing: float) -> Event:
    """Action, changes and response of a finished deployment; `failing` is the probability of a failure."""
    seconds = rng.randint(12, 420)
    if rng.random() >= failing:
        return {
            "action": "deployment.completed",
            "changes": {"resources_planned": planned, "resources_applied": planned, "duration_seconds": seconds},
            "response": {"status": 200},
        }
    error = rng.choice(FAILURES).format(region=project.region)
    applied = rng.randint(0, max(planned - 1, 0))
    return {
        "action": "deployment.failed",
        "changes": {"error": error, "resources_planned": planned, "resources_applied": applied},
        "response": {"status": 422, "duration_seconds": seconds},
    }


def deploy(rng: Random, trigger: str = "manual", failing: float = 0.08) -> Iterator[Step]:
    project = random_project(rng)
    request = deployment_request(rng, trigger)
    shared = {"resource": project.resource, "request": request}
    shared["metadata"] = {"team": project.team, "region": project.region}
    planned = rng.randint(1, 24)
    plan = {"resources_planned": planned, "to_add": planned // 2, "to_change": planned - planned // 2, "to_destroy": 0}
    yield (
        random_pause(rng, 90),
        shared | {"action": "deployment.planned", "description": "terraform plan", "changes": plan},
    )
    if rng.random() < 0.12:
        yield random_pause(rng, 200), shared | {"action": "deployment.cancelled", "description": "terraform apply"}
        return
    start = {
        "action": "deployment.started",
        "description": "terraform apply",
        "changes": {"resources_planned": planned},
    }
    yield random_pause(rng, 60), shared | start
    yield (
        random_pause(rng, 80),
        shared | {"description": "terraform apply"} | deployment_outcome(rng, project, planned, failing),
    )


def review_deployment(rng: Random) -> Iterator[Step]:
    """Somebody approves or rejects a deployment."""
    project = random_project(rng)
    verdict = rng.choices(("approved", "rejected"), (85, 15))[0]
    yield random_pause(rng, 60), {"action": "project.viewed", "resource": project.resource}
    yield (
        random_pause(rng, 120),
        {
            "action": f"deployment.{verdict}",
            "description": "Looks right" if verdict == "approved" else "Please split the network change out",
            "resource": project.resource,
            "request": deployment_request(rng, "review"),
            "metadata": {"team": project.team},
        },
    )


def browse_projects(rng: Random) -> Iterator[Step]:
    for _ in range(rng.randint(1, 3)):
        project = random_project(rng)
        yield (
            random_pause(rng, 120),
            {
                "action": rng.choice(
                    ("project.viewed", "project.viewed", "project.file_downloaded", "project.exported")
                ),
                "resource": project.resource,
                "metadata": {"team": project.team},
            },
        )


def change_variable(rng: Random) -> Iterator[Step]:
    project = random_project(rng)
    name = rng.choice(("TF_VAR_region", "TF_VAR_node_count", "LOG_LEVEL", "TF_VAR_instance_type", "FEATURE_FLAGS"))
    before, after = rng.sample(("2", "3", "info", "debug", "m7g.large", "m7g.xlarge", "eu-west-1", "on"), 2)
    yield (
        random_pause(rng, 150),
        {
            "action": "project.variable_updated",
            "description": name,
            "resource": project.resource,
            "changes": {name: {"before": before, "after": after}},
            "metadata": {"team": project.team},
        },
    )
    if rng.random() < 0.3:
        lock = {"resource": project.resource, "request": {"lock_id": random_hex(rng, 8)}}
        yield random_pause(rng, 60), lock | {"action": "project.state_locked"}
        yield random_pause(rng, 200), lock | {"action": "project.state_unlocked"}


def update_integration(rng: Random) -> Iterator[Step]:
    number, name = rng.choice(((1, "github"), (2, "slack"), (3, "pagerduty"), (4, "aws-production"), (5, "datadog")))
    resource = {"type": "integration", "id": f"int_{number}", "name": name}
    if rng.random() < 0.4:
        yield (
            random_pause(rng, 100),
            {
                "action": "integration.updated",
                "description": "Credentials rotated",
                "resource": resource,
                "changes": {"credentials_version": {"before": 3, "after": 4}},
            },
        )
    failed = rng.random() < 0.12
    yield (
        random_pause(rng, 60),
        {
            "action": "integration.tested",
            "resource": resource,
            "status": "failed" if failed else "success",
            "response": {"status": 401 if failed else 200, "milliseconds": rng.randint(40, 900)},
        },
    )


def change_policy(rng: Random) -> Iterator[Step]:
    """Somebody of the security team changes a policy."""
    number, name = rng.choice(((1, "S3 encryption required"), (2, "No public ingress"), (3, "Tags on every resource")))
    resource = {"type": "policy", "id": f"pol_{number}", "name": name}
    action = rng.choice(("policy.updated", "policy.exception_granted", "policy.violation_resolved", "policy.assigned"))
    event: Event = {"action": action, "resource": resource, "metadata": {"framework": "SOC 2"}}
    if action == "policy.updated":
        event["changes"] = {"severity": {"before": "medium", "after": rng.choice(("high", "low"))}}
    elif action == "policy.exception_granted":
        event["description"] = "Until the migration is over"
        event["changes"] = {"project": random_project(rng).name, "days": rng.choice((7, 14, 30))}
    yield random_pause(rng, 200), event


def run_workflow(rng: Random) -> Iterator[Step]:
    number, name = rng.choice(((1, "nightly-cost-report"), (2, "rotate-certificates"), (3, "clean-up-previews")))
    resource = {"type": "workflow", "id": f"wfl_{number}", "name": name}
    if rng.random() < 0.4:
        changes = {"schedule": {"before": "0 2 * * *", "after": rng.choice(("0 3 * * *", "30 1 * * *"))}}
        yield random_pause(rng, 200), {"action": "workflow.updated", "resource": resource, "changes": changes}
    run = {"resource": resource, "request": {"run_id": f"run_{random_hex(rng, 8)}", "trigger": "manual"}}
    yield random_pause(rng, 60), run | {"action": "workflow.executed"}
    ending = "workflow.failed" if rng.random() < 0.1 else "workflow.completed"
    yield random_pause(rng, 90), run | {"action": ending, "changes": {"steps": rng.randint(2, 9)}}


def manage_users(rng: Random) -> Iterator[Step]:
    """Administrators let people in, out and elsewhere."""
    guest = rng.choice(GUESTS)
    person = {"type": "user", "id": f"usr_{300 + GUESTS.index(guest)}", "name": f"{guest}@acme.com"}
    action = rng.choices(
        ("user.invited", "user.joined", "user.invitation_resent", "user.role_changed", "user.disabled", "user.removed"),
        (30, 20, 15, 20, 8, 7),
    )[0]
    event: Event = {"action": action, "resource": person}
    if action == "user.invited":
        event["changes"] = {"role": rng.choice(ROLES), "team": rng.choice(PROJECTS).team}
    elif action == "user.role_changed":
        before, after = rng.sample(ROLES, 2)
        event["changes"] = {"role": {"before": before, "after": after}}
        event["description"] = "Requested in the access review"
    yield random_pause(rng, 240), event


def change_settings(rng: Random) -> Iterator[Step]:
    action, key, before, after = rng.choice(
        (
            ("settings.notifications_updated", "digest", "daily", "weekly"),
            ("settings.updated", "default_region", "eu-west-1", "us-east-1"),
            ("settings.session_policy_updated", "idle_hours", 12, 8),
            ("settings.ip_allowlist_updated", "entries", 11, 12),
            ("settings.timezone_updated", "zone", "UTC", "Europe/London"),
        )
    )
    resource = {"type": "organization", "id": "acme", "name": "Acme"}
    yield (
        random_pause(rng, 200),
        {"action": action, "resource": resource, "changes": {key: {"before": before, "after": after}}},
    )


def support_customer(rng: Random) -> Iterator[Step]:
    """Support opens a customer's data, which matters for data protection."""
    number = rng.randint(1_000, 1_399)
    customer = {"type": "customer", "id": f"cus_{number}", "name": f"Customer {number}"}
    request = {"ticket": f"SUP-{rng.randint(2_000, 9_999)}"}
    yield (
        random_pause(rng, 150),
        {
            "action": "user.data_viewed",
            "description": "Opened from a support ticket",
            "resource": customer,
            "request": request,
            "metadata": {"fields": ["name", "invoices"]},
        },
    )
    if rng.random() < 0.15:
        changes = {"newsletter": {"before": True, "after": False}}
        yield random_pause(rng, 90), {
            "action": "user.consent_changed", "resource": customer, "request": request, "changes": changes,
        }  # fmt: skip
    elif rng.random() < 0.06:
        yield random_pause(rng, 90), {"action": "user.data_exported", "resource": customer, "request": request}


# Trade → its scenes, and their weights.
TRADES: dict[str, tuple[tuple[Scene, ...], tuple[int, ...]]] = {
    "engineer": (
        (edit_files, deploy, browse_projects, change_variable, run_workflow, update_integration),
        (42, 26, 14, 8, 6, 4),
    ),
    "lead": (
        (review_deployment, browse_projects, edit_files, deploy, manage_users, change_settings),
        (34, 24, 16, 12, 10, 4),
    ),
    "admin": ((manage_users, change_settings, update_integration, browse_projects, run_workflow), (45, 20, 15, 12, 8)),
    "security": ((change_policy, browse_projects, update_integration, manage_users), (50, 28, 12, 10)),
    "support": ((support_customer, browse_projects), (85, 15)),
    "data": ((edit_files, run_workflow, browse_projects, deploy, support_customer), (34, 26, 18, 14, 8)),
    "auditor": ((browse_projects,), (1,)),
}
