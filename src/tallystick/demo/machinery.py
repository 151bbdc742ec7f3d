"""What Acme's service accounts do, around the clock: pipelines, policy checks, synchronisation, schedules."""

from collections.abc import Iterator
from random import Random

from tallystick.demo.cast import Event
from tallystick.demo.work import Scene, Step, deploying, favourite, hexadecimal, pause

POLICIES = ((1, "S3 encryption required"), (2, "No public ingress"), (3, "Tags on every resource"))
NIGHTLY = ("nightly-cost-report", "rotate-certificates", "clean-up-previews", "backup-catalogue")


def building(rng: Random) -> Iterator[Step]:
    """A push starts a deployment."""
    return deploying(rng, trigger="push", failing=0.05)


def checking(rng: Random) -> Iterator[Step]:
    project = favourite(rng)
    number, name = rng.choice(POLICIES)
    event: Event = {
        "resource": {"type": "policy", "id": f"pol_{number}", "name": name},
        "request": {"evaluation_id": f"evl_{hexadecimal(rng, 8)}", "project": project.name},
        "metadata": {"team": project.team},
    }
    checked = rng.randint(4, 60)
    if rng.random() < 0.06:
        found = {"violations": rng.randint(1, 3), "resources_checked": checked}
        yield pause(rng, 40), event | {"action": "policy.violation", "changes": found}
    else:
        yield pause(rng, 40), event | {"action": "policy.evaluated", "changes": {"resources_checked": checked}}


def synchronising(rng: Random) -> Iterator[Step]:
    run: Event = {
        "resource": {"type": "integration", "id": "int_1", "name": "github"},
        "request": {"delivery": hexadecimal(rng, 12), "repository": f"acme/{favourite(rng).name}"},
    }
    yield pause(rng, 30), run | {"action": "integration.sync_started"}
    if rng.random() < 0.04:
        problem = {"error": "502 from api.github.com", "retry_in_seconds": 60}
        yield pause(rng, 20), run | {"action": "integration.sync_failed", "changes": problem}
    else:
        yield pause(rng, 12), run | {"action": "integration.sync_completed", "changes": {"commits": rng.randint(1, 12)}}


def scheduling(rng: Random) -> Iterator[Step]:
    name = rng.choice(NIGHTLY)
    run: Event = {
        "resource": {"type": "workflow", "id": f"wfl_{NIGHTLY.index(name) + 1}", "name": name},
        "request": {"run_id": f"run_{hexadecimal(rng, 8)}", "trigger": "schedule"},
    }
    yield pause(rng, 30), run | {"action": "workflow.executed"}
    seconds = {"steps": rng.randint(2, 9), "duration_seconds": rng.randint(3, 400)}
    if rng.random() < 0.05:
        stopped = {"error": "step 3 exited with status 1"} | seconds
        yield pause(rng, 60), run | {"action": "workflow.failed", "changes": stopped}
    else:
        yield pause(rng, 60), run | {"action": "workflow.completed", "changes": seconds}


MACHINERY: dict[str, Scene] = {
    "pipeline": building,
    "policy": checking,
    "sync": synchronising,
    "scheduler": scheduling,
}
