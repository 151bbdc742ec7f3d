"""What a record's call changed: the resources that it lists, that its parameters and its answer name, or its refusal.

The first is what was changed: what the name of the call says (`AttachUserPolicy`: the user, then the policy), or what
was made. A record of a refusal may hold nothing but its message (IAM user guide, "Troubleshoot access denied error
messages").
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tallystick.events.importers.aws.arn import arns_in, is_arn, kind_of_arn, kind_of_id, name_of_arn
from tallystick.events.importers.aws.call import Call, call_of
from tallystick.events.importers.aws.fields import LONGEST_NAME, object_of, present, snake, text_of
from tallystick.events.importers.aws.names_in import STRONG, NamedThing, concerns, names_in

MOST_RESOURCES = 20
LONGEST_TYPE = 100
_FIRST, _CALLED, _BESIDE, _RELATED, _POLICY = range(5)
_LISTED = -(10**6)  # before what parameters name
_PRINCIPAL = -(10**3)  # the owner of a key or password before it
_CHANGES_OF_POLICIES = frozenset({
    "attach", "detach", "put", "associate", "disassociate", "add", "remove", "delete", "set", "get", "update",
})  # fmt: skip
_PRINCIPALS = frozenset({"user", "role", "group"})
_ACCOUNT = re.compile(r"\d{12}")
# What belongs to another service than the one that is called, and what a service calls by a shorter name.
_KINDS = {
    "role": "iam_role", "iam_role": "iam_role", "bucket": "s3_bucket", "subnet": "ec2_subnet", "vpc": "ec2_vpc",
    "security_group": "ec2_security_group", "kms_key": "kms_key", "hosted_zone": "route53_hosted_zone",
}  # fmt: skip
_OTHER_NOUNS = {("s3", "key"): "object"}
_SHORT = {("ec2", "group"): "ec2_security_group", ("cloudtrail", ""): "cloudtrail_trail", ("cloudtrail", "logging"):
          "cloudtrail_trail"}  # fmt: skip
_REFUSED = re.compile(r"on resource:? (user|role|group|policy|instance profile|mfa|saml provider) ([\w+=,.@/-]+)")
_CALLER = re.compile(r"^User: \S+")


class _ChangedResource(NamedTuple):
    """A resource, and how near it is to what was changed; the lower the nearer."""

    rank: int
    type: str
    id: str
    name: str
    order: int = 0  # among those of a rank

    @property
    def identifiers(self) -> set[str]:
        return {text.lower() for text in (self.id, self.name, name_of_arn(self.id) if is_arn(self.id) else "") if text}


def resources_of(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The resources of an event, the one that was changed first, each once."""
    call = call_of(record)
    caller = text_of(object_of(record.get("userIdentity")), "arn")
    found = [*_listed(record), *_in_parts(record, call), *_in_refusal(record)]
    merged: list[_ChangedResource] = []
    for one in sorted((one for one in found if not caller or one.id != caller), key=lambda one: (one.rank, one.order)):
        _merge(merged, one)
    kept = _with_names(merged)[:MOST_RESOURCES]
    return [_resource(one, is_one_of_several=len(kept) > 1) for one in kept]


def _listed(record: Mapping[str, Any]) -> Iterator[_ChangedResource]:
    """What the record itself lists as resources (user guide, "CloudTrail record contents": `resources`)."""
    listed = record.get("resources")
    for one in map(object_of, listed if isinstance(listed, list) else ()):
        arn = text_of(one, "ARN") or text_of(one, "arn")
        if arn:
            kind = "_".join(snake(part) for part in text_of(one, "type").removeprefix("AWS::").split("::"))
            yield _ChangedResource(
                _FIRST, kind or kind_of_arn(arn), arn, name_of_arn(arn) if is_arn(arn) else arn, _LISTED
            )


def _in_parts(record: Mapping[str, Any], call: Call) -> Iterator[_ChangedResource]:
    """What the parameters, the answer and the details of a service's own event name."""
    own = {text_of(record, "recipientAccountId"), text_of(object_of(record.get("userIdentity")), "accountId")}
    details = "serviceEventDetails" if record.get("serviceEventDetails") else "additionalEventData"
    for part in ("requestParameters", "responseElements", details):
        names: dict[tuple[int, str], dict[str, NamedThing]] = {}
        for one in names_in(object_of(record.get(part)), call, in_answer=part == "responseElements"):
            if one.value in own:
                continue
            names.setdefault((one.group, one.noun), {}).setdefault(one.kind, one)
        for kinds in names.values():
            yield from _changed_by(kinds, call)


def _changed_by(kinds: Mapping[str, NamedThing], call: Call) -> Iterator[_ChangedResource]:
    """What one object names by its ARN, id and name, unless it says only how something is made."""
    values = {kind: one.value for kind, one in kinds.items() if not _is_account(one)}
    if not values:
        return
    arn, identifier, name = (values.get(kind, "") for kind in ("arn", "id", "name"))
    one = next(iter(kinds.values()))
    one = one._replace(noun=_OTHER_NOUNS.get((call.service, one.noun), one.noun))
    rank = _rank(one, call)
    if not arn and _is_aside(one, rank, identifier):
        return
    kind = kind_of_arn(arn) if arn else kind_of_id(identifier) or _kind(one.noun, call)
    tail = name_of_arn(arn) if arn else identifier.rstrip("/").rpartition("/")[2] if "://" in identifier else ""
    noun = one.noun or call.object
    at = max(0, concerns(noun, call.object))  # the first in the call's name comes first, of those the longest
    order = _PRINCIPAL + at if _is_principal(one, call) else 1000 * at - len(noun)
    yield _ChangedResource(rank, kind, arn or identifier or name, name or tail or identifier, order)


def _is_account(one: NamedThing) -> bool:
    """Whether it is the number of an account, such as an owner's, that is not itself changed."""
    is_changed = one.noun.rpartition("_")[2] in ("account", "target", "principal") and not one.in_answer
    return _ACCOUNT.fullmatch(one.value) is not None and not is_changed


def _is_aside(one: NamedThing, rank: int, identifier: str) -> bool:
    """Whether it says only how something is made, and names no resource for itself."""
    if rank < _RELATED or (rank == _POLICY and not one.depth):
        return False
    return not kind_of_id(identifier) and (one.noun not in STRONG or (one.in_answer and one.depth > 0))


def _is_principal(one: NamedThing, call: Call) -> bool:
    """Whether it is the user, role or group of IAM that the call is for, whatever else the call names."""
    return call.service == "iam" and one.noun in _PRINCIPALS and not one.in_answer


def _rank(one: NamedThing, call: Call) -> int:
    """How near a thing is to what the call changes."""
    at = concerns(one.noun, call.object)
    is_policy = one.noun.rpartition("_")[2] == "policy"
    of_another = call.verb in _CHANGES_OF_POLICIES and (call.object != "policy" or call.verb in ("attach", "detach"))
    if is_policy and of_another:
        return _POLICY
    if _is_principal(one, call):
        return _FIRST
    if one.in_answer and at < 0 and one.noun:
        return _CALLED if call.creates and one.depth == 0 else _RELATED
    if not one.noun or at == 0:
        return _FIRST
    if at > 0:
        return _CALLED
    return _BESIDE if one.depth == 0 else _RELATED


def _kind(noun: str, call: Call) -> str:
    noun = noun or call.object
    short = _SHORT.get((call.service, noun)) or _KINDS.get(noun)
    return short or snake(f"{call.service}_{noun}") or "aws"


def _in_refusal(record: Mapping[str, Any]) -> Iterator[_ChangedResource]:
    """What the message of a refusal says was not to be touched."""
    message = text_of(record, "errorMessage")
    after = _CALLER.sub("", message)
    before, _, target = after.partition("on resource")
    for place, text in ((_FIRST, target), (_POLICY, before)):
        for arn in arns_in(text)[:3]:
            yield _ChangedResource(place, kind_of_arn(arn), arn, name_of_arn(arn))
            place = _POLICY
    if match := _REFUSED.search(message):
        yield _ChangedResource(_FIRST, snake(f"iam_{match[1]}"), match[2], match[2].rpartition("/")[2])


def _merge(merged: list[_ChangedResource], one: _ChangedResource) -> None:
    """Adds a resource, or what it says more of one that is there."""
    for place, known in enumerate(merged):
        shared = known.identifiers & one.identifiers
        is_same = known.type == one.type or known.id.lower() == one.id.lower()
        if shared and (is_same or is_arn(known.id) != is_arn(one.id)):
            is_better = is_arn(one.id) and not is_arn(known.id)
            better = one if is_better or (known.name == known.id and not is_arn(known.id)) else known
            name = known.name if known.name != known.id else one.name
            merged[place] = known._replace(type=better.type, id=better.id, name=name)
            return
    merged.append(one)


def _with_names(found: list[_ChangedResource]) -> list[_ChangedResource]:
    """The resources; one that was made has the name that was asked for and the id that was answered."""
    nearest = [one for one in found if one.rank == _FIRST]
    if len(nearest) != 2 or nearest[0].type != nearest[1].type:
        return found
    named, made = sorted(nearest, key=lambda one: is_arn(one.id) or bool(kind_of_id(one.id)))
    is_made = is_arn(made.id) or bool(kind_of_id(made.id))
    if not is_made or is_arn(named.id) or kind_of_id(named.id) or made.name not in (made.id, name_of_arn(made.id)):
        return found
    return [made._replace(name=named.name), *(one for one in found if one.rank != _FIRST)]


def _resource(one: _ChangedResource, *, is_one_of_several: bool) -> dict[str, Any]:
    role = ("target", "target", "beside", "related", "policy")[one.rank] if is_one_of_several else ""
    fields = {"type": one.type[:LONGEST_TYPE], "id": one.id[:LONGEST_NAME], "name": one.name[:LONGEST_NAME]}
    return present(fields | {"role": role})
