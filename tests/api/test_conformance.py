"""Every answer is as the OpenAPI document says, whatever is asked: schemathesis asks."""

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from tallystick.api.document import DOCUMENT
from tests.api.asking import Asking, event


@pytest.fixture(scope="module")
def asked(organization) -> Asking:
    """An organization with a few events."""
    made: Asking = organization()
    made.record(*[event("deployment.failed", resource={"type": "t", "name": f"r-{n}"}) for n in range(5)])
    return made


# A live view has no end, so that it is left to tests of its own.
schema = schemathesis.openapi.from_dict(DOCUMENT).exclude(path="/v1/audit-logs/live")
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
]


@schema.parametrize()
@settings(
    max_examples=30, deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
def test_every_answer_is_as_described(case, asked, running):
    headers = {"Authorization": f"Bearer {asked.key}"}
    case.call_and_validate(base_url=running.url, checks=CHECKS, headers=headers, timeout=30)
