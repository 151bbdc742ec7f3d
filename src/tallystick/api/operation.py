"""What an endpoint declares beside its signature and its docstring."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from litestar import Request

from tallystick.query.scope import Permission

Schema = dict[str, Any]
Parameter = dict[str, Any]  # as OpenAPI has it
OPTION = "operation"  # in the options of a Litestar handler


@dataclass(frozen=True, slots=True)
class Operation:
    """The declaration of one endpoint: requests are checked against it, and the OpenAPI document is made of it.

    `permissions` are the scopes that a key needs, all of them; without any, the endpoint takes no key. `optional` are
    scopes that allow more, with what they allow. A request has no other permission, whatever else its key may do.
    `serves_filtered`: a key with a mandatory filter may use it, because all that it answers is within the filter.
    `body` is the type of a JSON body, `bodies` other media types with their schemas; `answer` describes an answer
    that is no JSON object, `media` its media types with their schemas. `statuses` are further successful statuses,
    `problems` further statuses of errors, beside those that any such endpoint may answer with.
    """

    topic: str
    permissions: tuple[Permission, ...]
    optional: Mapping[Permission, str]
    serves_filtered: bool
    parameters: Sequence[Parameter]
    query_names: frozenset[str]
    body: Any
    bodies: Mapping[str, Schema]
    body_is_required: bool
    answer: str
    media: Mapping[str, Schema]
    statuses: Mapping[int, str]
    problems: Sequence[int]

    @property
    def usable(self) -> frozenset[Permission]:
        """The permissions that a request of the endpoint may use."""
        return frozenset((*self.permissions, *self.optional))

    def __deepcopy__(self, _memo: object) -> "Operation":
        return self  # Litestar copies handlers; this never changes


def operation(
    topic: str,
    *permissions: Permission,
    optional: Mapping[Permission, str] | None = None,
    serves_filtered: bool = False,
    parameters: Sequence[Parameter] = (),
    body: Any = None,
    bodies: Mapping[str, Schema] | None = None,
    body_is_required: bool = True,
    answer: str = "",
    media: Mapping[str, Schema] | None = None,
    statuses: Mapping[int, str] | None = None,
    problems: Sequence[int] = (),
) -> dict[str, Operation]:
    """The `opt` of a handler, with its Operation. Without `permissions` the endpoint takes no API key."""
    names = frozenset(parameter["name"] for parameter in parameters if parameter["in"] == "query")
    declared = Operation(
        topic=topic,
        permissions=permissions,
        optional=optional or {},
        serves_filtered=serves_filtered,
        parameters=parameters,
        query_names=names,
        body=body,
        bodies=bodies or {},
        body_is_required=body_is_required,
        answer=answer,
        media=media or {},
        statuses=statuses or {},
        problems=problems,
    )
    return {OPTION: declared}


def operation_of(request: Request[Any, Any, Any]) -> Operation:
    """The declaration of the endpoint that a request reached."""
    declared: Operation = request.route_handler.opt[OPTION]
    return declared
