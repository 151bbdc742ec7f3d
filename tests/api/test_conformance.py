"""Every answer is as the OpenAPI document says, whatever is asked: schemathesis asks."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis import Case
from schemathesis.checks import load_all_checks, not_a_server_error
from schemathesis.generation.feedback import FeedbackSources
from schemathesis.pytest._test_builder import build_operation_test
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from tallystick.api.routes import describe_api
from tests.api.api_client import ApiClient, event


@pytest.fixture(scope="module")
def asked(organization) -> ApiClient:
    """An organization with a few events."""
    made: ApiClient = organization()
    made.record(*[event("deployment.failed", resource={"type": "t", "name": f"r-{n}"}) for n in range(5)])
    return made


# A live view has no end, so that it is left to tests of its own; so are requests without a key.
LIVE = "/v1/audit-logs/live"
METHODS = ("get", "head", "post", "put", "patch", "delete")
OPERATIONS = [
    (method, path)
    for path, described in describe_api()["paths"].items()
    if path != LIVE
    for method in METHODS
    if method in described
]
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@schemathesis.serializer("application/x-ndjson")
def _lines(_context: Any, value: Any) -> bytes:
    return str(value).encode()


@pytest.fixture(scope="module")
def schema() -> BaseSchema:
    load_all_checks()
    return schemathesis.openapi.from_dict(describe_api() | {"security": []})


# What `schema.parametrize()` does, but one operation at a time and only where the test runs: there every process would
# make up all requests while it collects, and under xdist all operations would share one node id and run as one.
@pytest.mark.parametrize(
    ("method", "path"), OPERATIONS, ids=[f"{method.upper()} {path}" for method, path in OPERATIONS]
)
def test_every_answer_is_as_described(method, path, schema, asked, running):
    headers = {"Authorization": f"Bearer {asked.key}"}
    # In a query one value and a list of one are the same text, so that what is bad there is known in bodies alone.
    # Recording reads more than it promises, such as numbers as ids; tests/api/test_bad_input.py has what it refuses.
    is_judged = method == "post" and not path.startswith("/v1/audit-logs")
    checks = [*CHECKS, negative_data_rejection] if is_judged else CHECKS

    @settings(
        max_examples=10, deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    def validate(case: Case) -> None:
        case.call_and_validate(base_url=running.url, checks=checks, headers=headers, timeout=30)

    build_operation_test(
        config=schema.config, operation=schema[path][method], test_func=validate, given_kwargs={},
        feedback=FeedbackSources(),
    )()  # fmt: skip
