"""Scenes of Acme's service accounts: pipelines, policy checks, synchronization, scheduled workflows."""

from collections.abc import Iterator
from random import Random

from tallystick.demo.people import Event
from tallystick.demo.scenes import Scene, Step, deploy, random_hex, random_pause, random_project

POLICIES = ((1, "S3 encryption required"), (2, "No public ingress"), (3, "Tags on every resource"))
NIGHTLY = ("nightly-cost-report", "rotate-certificates", "clean-up-previews", "backup-catalogue")


def build_on_push(rng: Random) -> Iterator[Step]:
    """A deployment that a push triggers."""
    return deploy(rng, trigger="push", failing=0.05)


def evaluate_policy(rng: Random) -> Iterator[Step]:
    project = random_project(rng)
    number, name = rng.choice(POLICIES)
    event: Event = {
        "resource": {"type": "policy", "id": f"pol_{number}", "name": name},
        "request": {"evaluation_id": f"evl_{random_hex(rng, 8)}", "project": project.name},
        "metadata": {"team": project.team},
    }
    checked = rng.randint(4, 60)
    if rng.random() < 0.06:
        found = {"violations": rng.randint(1, 3), "resources_checked": checked}
        yield random_pause(rng, 40), event | {"action": "policy.violation", "changes": found}
    else:
        yield random_pause(rng, 40), event | {"action": "policy.evaluated", "changes": {"resources_checked": checked}}


def sync_repository(rng: Random) -> Iterator[Step]:
    run: Event = {
        "resource": {"type": "integration", "id": "int_1", "name": "github"},
        "request": {"delivery": random_hex(rng, 12), "repository": f"acme/{random_project(rng).name}"},
    }
    yield random_pause(rng, 30), run | {"action": "integration.sync_started"}
    if rng.random() < 0.04:
        problem = {"error": "502 from api.github.com", "retry_in_seconds": 60}
        yield random_pause(rng, 20), run | {"action": "integration.sync_failed", "changes": problem}
    else:
        yield (
            random_pause(rng, 12),
            run | {"action": "integration.sync_completed", "changes": {"commits": rng.randint(1, 12)}},
        )


def run_scheduled_workflow(rng: Random) -> Iterator[Step]:
    name = rng.choice(NIGHTLY)
    run: Event = {
        "resource": {"type": "workflow", "id": f"wfl_{NIGHTLY.index(name) + 1}", "name": name},
        "request": {"run_id": f"run_{random_hex(rng, 8)}", "trigger": "schedule"},
    }
    yield random_pause(rng, 30), run | {"action": "workflow.executed"}
    seconds = {"steps": rng.randint(2, 9), "duration_seconds": rng.randint(3, 400)}
    if rng.random() < 0.05:
        stopped = {"error": "step 3 exited with status 1"} | seconds
        yield random_pause(rng, 60), run | {"action": "workflow.failed", "changes": stopped}
    else:
        yield random_pause(rng, 60), run | {"action": "workflow.completed", "changes": seconds}


SERVICE_ACCOUNT_SCENES: dict[str, Scene] = {
    "pipeline": build_on_push,
    "policy": evaluate_policy,
    "sync": sync_repository,
    "scheduler": run_scheduled_workflow,
}
