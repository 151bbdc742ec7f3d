"""Every answer is as the OpenAPI document says, whatever is asked: schemathesis asks."""

from typing import Any

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


# A live view has no end, so that it is left to tests of its own; so are requests without a key.
schema = schemathesis.openapi.from_dict(DOCUMENT | {"security": []}).exclude(path="/v1/audit-logs/live")
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@schemathesis.serializer("application/x-ndjson")
def _lines(_context: Any, value: Any) -> bytes:
    return str(value).encode()


@schema.parametrize()
@settings(
    max_examples=10, deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
def test_every_answer_is_as_described(case, asked, running):
    headers = {"Authorization": f"Bearer {asked.key}"}
    # In a query one value and a list of one are the same text, so that what is bad there is known in bodies alone.
    checks = [*CHECKS, negative_data_rejection] if case.method == "POST" else CHECKS
    case.call_and_validate(base_url=running.url, checks=checks, headers=headers, timeout=30)
