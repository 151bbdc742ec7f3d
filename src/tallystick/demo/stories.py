"""The events of Sarah Lin's failed deployment, as the documentation tells it, and of John's deployment that day."""

from tallystick.clock import SECOND_US, rfc3339
from tallystick.demo.daily_activity import TimedEvent
from tallystick.demo.people import API_INFRASTRUCTURE, JOHN, SARAH, VPC_PRODUCTION, Employee, Event, Project

STORY_TIME_US = 1_705_329_045 * SECOND_US  # 2024-01-15 14:30:45 UTC, when the deployment failed
JOHN_TIME_US = 1_705_314_645 * SECOND_US  # 2024-01-15 10:30:45 UTC

LOGIN: Event = {"action": "user.login", "request": {"method": "sso"}}
EDIT: Event = {
    "action": "project.file_updated",
    "description": "main.tf",
    "resource": API_INFRASTRUCTURE.resource,
    "changes": {"file": "main.tf", "lines_added": 11, "lines_removed": 0, "added": "aws_s3_bucket.build_artifacts"},
    "request": {"branch": "main", "commit": "9f2c41d07a"},
}
DEPLOYMENT: Event = {
    "description": "terraform apply",
    "resource": API_INFRASTRUCTURE.resource,
    "request": {"deployment_id": "dep_789", "trigger": "manual"},
}
FAILURE: Event = {
    "changes": {"error": "Policy violation: S3 encryption required", "resources_planned": 5, "resources_applied": 2},
    "response": {"status": 422},
}
STORY = (  # seconds before the end
    (312, LOGIN),
    (155, EDIT),
    (3, DEPLOYMENT | {"action": "deployment.started", "changes": {"resources_planned": 5}}),
    (0, DEPLOYMENT | FAILURE | {"action": "deployment.failed"}),
)


def sarahs_story(end_us: int) -> list[TimedEvent]:
    """The four events, from the sign-in to the failure at `end_us` (µs since 1970 UTC)."""
    session = f"ses_sarah_{end_us // SECOND_US}"
    return [
        _event_by(SARAH, end_us - before * SECOND_US, step, session, f"demo-story-{end_us // SECOND_US}-{place}")
        for place, (before, step) in enumerate(STORY)
    ]


def johns_apply() -> TimedEvent:
    """John's deployment of vpc-production, on the morning of the story."""
    planned = {"resources_planned": 7, "resources_applied": 7, "duration_seconds": 96}
    step = _deployment(VPC_PRODUCTION) | {"changes": planned, "response": {"status": 200}}
    return _event_by(JOHN, JOHN_TIME_US, step, "ses_john_1705314000", "demo-apply-1705314645")


def _deployment(project: Project) -> Event:
    return {
        "action": "deployment.completed",
        "description": "terraform apply",
        "resource": project.resource,
        "request": {"deployment_id": "dep_771", "trigger": "manual"},
    }


def _event_by(person: Employee, at_us: int, step: Event, session: str, external_id: str) -> TimedEvent:
    context = {
        "ip_address": person.addresses[0],
        "user_agent": person.agents[0],
        "session_id": session,
        "source": "web",
    }
    return at_us, {
        **step,
        "timestamp": rfc3339(at_us),
        "actor": person.actor,
        "context": context,
        "external_id": external_id,
    }
