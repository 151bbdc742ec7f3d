"""What the parameters and the answer of a call name: a walk over them, by the rules in which AWS names its members.

An id ends in `Id`, `Identifier`, `Arn`, `Name` or `Url`, alone or in a list, at any depth: `instancesSet.items` of EC2,
`CreateVpcEndpointRequest` around the parameters, `{"content": …}` around a value (EC2 API reference; record contents).
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple

from tallystick.events.importers.aws.arn import is_arn, is_id
from tallystick.events.importers.aws.call import Call, singular
from tallystick.events.importers.aws.fields import HIDDEN, member_name

_MOST_VALUES = 3000
_MOST_DEPTH = 9  # without lists' items and the like
_MOST_LEVELS = 40
_MOST_OF_LIST = 50
_LONGEST = 1024
_MOST_NAMES = 8192  # of members, which repeat in every record
_ENDS = {
    "id": "id", "ids": "id", "identifier": "id", "identifiers": "id", "uuid": "id", "arn": "arn", "arns": "arn",
    "name": "name", "names": "name", "username": "name", "url": "id", "urls": "id",
}  # fmt: skip
# Members whose values say how something is made, and not what.
_SKIPPED = frozenset({
    "tag", "tags", "tag_set", "tag_list", "tag_specification", "tag_specifications", "tag_specification_set", "filter",
    "filters", "filter_set", "environment", "variables", "parameters", "credentials", "attribute_definitions",
    "key_schema", "policy_document", "policy", "assume_role_policy_document", "document", "dimensions", "columns",
    "labels", "options", "statement", "template_body", "definition", "user_data", "tag_keys", "metadata_options",
})  # fmt: skip
# Last words of what is no resource, and of what is one only where the name of the call ends in it.
_NO_RESOURCE = frozenset({
    "request", "token", "caller", "requester", "reservation", "next", "transaction", "idempotency", "attribute", "tag",
    "version", "etag", "statement", "charge", "status", "state", "dns", "display", "encryption", "correlation",
    "reader", "creator", "handler", "marker",
})  # fmt: skip
_SELDOM = frozenset({
    "client", "owner", "region", "device", "principal", "metric", "namespace", "engine", "host", "file", "zone",
    "session", "service", "invocation",
})  # fmt: skip
# What is a resource wherever it is named, so that it is told even if the call's name does not.
STRONG = frozenset({
    "bucket", "table", "database", "function", "queue", "topic", "stream", "cluster", "role", "log_group", "secret",
    "repository", "domain", "project", "pipeline", "instance", "volume", "snapshot", "image", "user", "group",
    "work_group", "catalog", "distribution", "certificate", "hosted_zone", "user_pool", "state_machine", "rule",
})  # fmt: skip
_CONTAINER_ENDS = frozenset({
    "request", "response", "input", "output", "list", "summary", "detail", "description", "metadata", "result",
    "info", "config", "configuration", "data", "entry", "batch", "property", "spec", "object", "structure", "wrapper",
})  # fmt: skip
_TRANSPARENT = frozenset({"item", "items", "member", "members", "entry", "entries", "content", "value", "values"})
# Members that name something without an end, as `cluster` of ECS does.
_BARE = frozenset({
    "bucket", "cluster", "service", "table", "stack", "queue", "topic", "function", "repository", "stream", "domain",
    "project", "pipeline", "trail", "vault", "workgroup", "work_group", "database", "catalog", "alias", "application",
    "app", "rule", "key", "group", "user", "role", "instance", "volume", "snapshot", "image", "secret", "job", "task",
    "task_definition", "crawler", "trigger", "workflow", "branch", "endpoint", "model", "notebook", "resource", "bot",
    "certificate", "distribution", "gateway", "listener", "broker", "connection", "channel", "fleet", "theme", "folder",
    "schedule", "event_bus", "archive", "registry", "schema", "workspace", "space", "portfolio", "product", "server",
    "container", "plan", "template", "resources", "target", "targets", "email", "email_address", "identity",
    "phone_number", "public_ip",
})  # fmt: skip


class NamedThing(NamedTuple):
    """Something that a member names: `noun` such as `db_instance`, what `kind` of identifier its value is, and where.

    `group` is the same for members of one object, which name one thing if their nouns are equal.
    """

    noun: str
    kind: str
    value: str
    group: int
    depth: int
    in_answer: bool


def names_in(part: Mapping[str, Any], call: Call, *, in_answer: bool) -> Iterator[NamedThing]:
    """Everything that a part of a record names, in order."""
    return islice(_Walk(call, in_answer=in_answer).members(part, "", 0), _MOST_VALUES)


@lru_cache(maxsize=_MOST_NAMES)
def concerns(noun: str, phrase: str) -> int:
    """Where in a call's object, such as `user_policy`, a noun stands; -1 if it does not."""
    if len(noun) < 2 or not phrase:
        return -1
    at = f"_{phrase}_".find(f"_{noun}_")
    return at if at >= 0 or len(noun) < 4 else phrase.replace("_", "").find(noun.replace("_", ""))


class _Walk:
    """A walk over a part; counts the objects that it passes."""

    def __init__(self, call: Call, *, in_answer: bool) -> None:
        self._call = call
        self._in_answer = in_answer
        self._groups = self._seen = self._level = 0

    def members(self, part: Mapping[str, Any], container: str, depth: int) -> Iterator[NamedThing]:
        self._groups += 1
        group = self._groups
        self._level += 1
        if depth <= _MOST_DEPTH and self._level <= _MOST_LEVELS:
            yield from self._named_by(part, container, group, depth)
        self._level -= 1

    def _named_by(self, part: Mapping[str, Any], container: str, group: int, depth: int) -> Iterator[NamedThing]:
        # What an object names itself comes first, so that it is not lost behind what is inside.
        for key, value in sorted(part.items(), key=lambda member: isinstance(member[1], dict | list)):
            self._seen += 1
            if self._seen > _MOST_VALUES:
                return
            name = member_name(key)
            if isinstance(value, dict) and isinstance(value.get("content"), str):
                value = value["content"]
            if isinstance(value, str):
                yield from self._named(name, value, container, group, depth)
            elif name not in _SKIPPED and isinstance(value, dict):
                yield from self.members(value, self._container(name, container), depth + (name not in _TRANSPARENT))
            elif name not in _SKIPPED and isinstance(value, list):
                yield from self._elements(name, value, container, depth)

    def _elements(self, name: str, values: list[Any], container: str, depth: int) -> Iterator[NamedThing]:
        for value in values[:_MOST_OF_LIST]:
            if isinstance(value, str):
                self._groups += 1
                yield from self._named(name, value, container, self._groups, depth)
            elif isinstance(value, dict):
                yield from self.members(value, self._container(name, container), depth + (name not in _TRANSPARENT))

    def _named(self, name: str, value: str, container: str, group: int, depth: int) -> Iterator[NamedThing]:
        noun, kind = _split(name)
        value = value.strip()
        if not value or len(value) > _LONGEST or "\n" in value or value in ("*", HIDDEN) or value.startswith("{"):
            return
        if kind and noun in ("", "resource"):
            noun = container if noun == "" or container else ""
        elif not kind:
            if name in _TRANSPARENT:
                noun, name = container, container
            is_called = noun and concerns(noun, self._call.object) >= 0 and depth <= 1 and not value.isupper()
            is_bare = depth == 0 and name in _BARE
            kind = "arn" if is_arn(value) else "id" if is_id(value) else "name" if is_called or is_bare else ""
        if noun == f"{self._call.object}_request":  # `spotInstanceRequestId` of `RequestSpotInstances`
            noun = self._call.object
        if kind and not self._is_no_resource(noun):
            yield NamedThing(noun, "arn" if is_arn(value) else kind, value, group, depth, self._in_answer)

    def _is_no_resource(self, noun: str) -> bool:
        words = noun.split("_")
        if words[-1] in _NO_RESOURCE or words[0] == "master":
            return True
        is_end = bool(noun) and f"_{self._call.object}".endswith(f"_{noun}")
        return words[-1] in _SELDOM and noun not in STRONG and not is_end

    def _container(self, name: str, outer: str) -> str:
        """The noun of what is inside a member: `instance` in `instancesSet`, `rest_api` in `createRestApiInput`."""
        if name in _TRANSPARENT:
            return outer
        words = name.split("_")
        if words[-1] == "set" and len(words) > 1 and singular(words[-2]) != words[-2]:
            words = words[:-1]
        words = [singular(word) for word in words]
        if words[0] == self._call.verb and not _CONTAINER_ENDS.issuperset(words[1:]):
            words = words[1:]
        while words and words[-1] in _CONTAINER_ENDS:
            words = words[:-1]
        return "_".join(words) or outer


@lru_cache(maxsize=_MOST_NAMES)
def _split(name: str) -> tuple[str, str]:
    """The noun and the kind of identifier of a member: `db_instance` and `id` of `db_instance_identifier`."""
    words = name.split("_")
    while len(words) > 1 and (words[-1] == "list" or (words[-1] == "set" and singular(words[-2]) != words[-2])):
        words = words[:-1]
    kind = _ENDS.get(words[-1], "")
    if words[-1] == "username":
        return "user", kind
    nouns = words[:-1] if kind else words
    return "_".join(map(singular, nouns)), kind
