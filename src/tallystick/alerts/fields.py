"""Values of an event that rules group by or count, the `where` conditions, and the digests that stand for names."""

import re
from collections.abc import Callable, Mapping
from hashlib import blake2b
from uuid import UUID

import msgspec

from tallystick.alerts.definition import Field
from tallystick.events.changes import Change, changes_of
from tallystick.events.output import SKEW
from tallystick.events.record import Record
from tallystick.query.case_folding import fold
from tallystick.query.values import plain_address

# Tokens of documented formats. Text that merely looks random is not a secret: ids and hashes look so too.
_SECRET = re.compile(
    # AWS: what belongs to a key's public id (AKIA…, ASIA…), not the id, which every record of AWS has.
    r"(?:\b(?:AKIA|ASIA)[0-9A-Z]{16}|(?i:secret_?access_?key))[\"'\s:;,=]{1,8}[0-9A-Za-z/+]{40}(?![0-9A-Za-z/+])"
    r"|\b(?:FwoGZXIvYXdz|IQoJb3JpZ2lu)[0-9A-Za-z/+=]{60,}"  # a session token of AWS
    r"|\bgh[pousr]_[0-9A-Za-z]{36}\b|\bgithub_pat_[0-9A-Za-z_]{82}\b"
    r"|\bglpat-[0-9A-Za-z_-]{20}"
    r"|\bsk-(?:proj-|ant-)?[0-9A-Za-z_-]{32,}"  # OpenAI, Anthropic
    r"|\bwhsec_[0-9A-Za-z+/=]{24,}"  # Standard Webhooks
    r"|://[^\s/:@]{1,100}:[^\s/@]{3,100}@"  # a user and password in a URL
    r"|\bxox[abeoprs]-[0-9A-Za-z-]{10,}"  # Slack
    r"|\b[rs]k_live_[0-9A-Za-z]{24,}"  # Stripe
    r"|\btsk_[0-9A-Za-z]{36}\b"  # our own
    r"|\bAIza[0-9A-Za-z_-]{35}"  # Google
    r"|\bSG\.[0-9A-Za-z_-]{22}\.[0-9A-Za-z_-]{43}"  # SendGrid
    r"|\bnpm_[0-9A-Za-z]{36}\b"
    r"|-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----"
    r"|\beyJ[0-9A-Za-z_-]{10,}\.eyJ[0-9A-Za-z_-]{10,}\.[0-9A-Za-z_-]{20,}"  # a JSON Web Token
)
_json_object = msgspec.json.Decoder(dict[str, object]).decode
# The last word of a setting's name, and whether more or less of it is stricter. An unknown setting counts as weakened:
# a needless alert is better than a missing one.
_MORE = re.compile(r"(length|history|retention_days|days_kept|complexity|strength)$", re.IGNORECASE)
_LESS = re.compile(r"(timeout|lifetime|ttl|max_?age(_days)?|duration|attempts|minutes|hours|seconds)$", re.IGNORECASE)
_ON = re.compile(r"(^|[._])(require[sd]?|enforced?)(_|$)|(^|[._])(mfa|sso|enabled)$", re.IGNORECASE)
_number = msgspec.json.Decoder(float)


def _user(record: Record) -> tuple[str, ...]:
    """Email address and id of the actor. The name, which is not unique, only if both are missing, and for nobody
    anonymous; nothing for the system."""
    if record.actor_type == "system":
        return ()
    found = tuple(filter(None, (record.actor_email, record.actor_id)))
    return found or tuple(filter(None, (record.actor_name if record.actor_type != "anonymous" else "",)))


def _resource(record: Record) -> tuple[str, ...]:
    """Name and id of the resource. Of a user only the id, unless the name is an email address: names are not unique."""
    names = tuple(filter(None, (record.resource_name, record.resource_id)))
    if record.resource_type == "user" and len(names) == 2 and "@" not in names[0]:
        return names[1:]
    return names


def _device(record: Record) -> tuple[str, ...]:
    # Without versions, which change every few weeks on the same device.
    return (re.sub(r"/[0-9][0-9.]*", "", record.user_agent)[:300],) if record.user_agent else ()


# The names by which a field identifies its value; events that share one are about the same user, resource or device.
NAMES: Mapping[Field, Callable[[Record], tuple[str, ...]]] = {
    "user": _user,
    "resource": _resource,
    "ip": lambda record: (plain_address(record.ip_address),) if record.ip_address else (),
    "action": lambda record: (record.action,),
    "session": lambda record: (record.session_id,) if record.session_id else (),
    "device": _device,
    "country": lambda record: (record.country,) if record.country else (),
}


class EventFields:
    """The names and `where` conditions of one event, found out once for all rules that it matches."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self._names: dict[Field, tuple[str, ...]] = {}
        self._where: dict[str, bool] = {}

    def names(self, field: Field) -> tuple[str, ...]:
        """As `NAMES`."""
        names = self._names.get(field)
        if names is None:
            names = self._names[field] = NAMES[field](self.record)
        return names

    def fulfils(self, where: str) -> bool:
        """As `WHERE`; the empty condition holds for every event."""
        fulfilled = self._where.get(where)
        if fulfilled is None:
            fulfilled = self._where[where] = not where or WHERE[where](self.record)
        return fulfilled


def display_name(field: Field, record: Record) -> str:
    """Returns the name of a field's value as people know it, with secrets masked; of a user the email address first."""
    if field == "user":
        return mask_secrets(record.actor_email or record.actor_name or record.actor_id)
    if field == "resource":
        return mask_secrets(record.resource_name or record.resource_id)
    names = NAMES[field](record)
    return mask_secrets(names[0]) if names else ""


def mask_secrets(text: str) -> str:
    """Replaces secrets in a text with `[hidden]`: an alert is sent to places where its events are not."""
    return _SECRET.sub("[hidden]", text)


def _acts_on_itself(record: Record) -> bool:
    actor_names = {fold(name) for name in _user(record)}
    others = zip(record.other_resource_types, record.other_resource_ids, record.other_resource_names, strict=True)
    resources = [(record.resource_type, record.resource_id, record.resource_name), *others]
    return any(fold(name) in actor_names for kind, *names in resources if kind == "user" for name in names if name)


def _by_key(record: Record) -> bool:
    return record.actor_type in ("api_key", "service_account")


def _clock_skewed(record: Record) -> bool:
    """Whether the sender's clock is ahead: the event claims to have happened after it was received."""
    return record.occurred_at > record.received_at + SKEW


def _holds_secret(record: Record) -> bool:
    names = (
        record.description, record.status_reason, record.original_action, record.resource_name, record.resource_id,
        *record.other_resource_names, *record.other_resource_ids, record.actor_name, record.actor_id,
    )  # fmt: skip
    return any(_SECRET.search(text) for text in (*record.values, *names, *record.paths))


def _weakens(record: Record) -> bool:
    changes = _json_object(record.details).get("changes") if record.details else None
    return not isinstance(changes, dict) or may_weaken(changes)


WHERE: Mapping[str, Callable[[Record], bool]] = {
    "acts_on_itself": _acts_on_itself,
    "by_key": _by_key,
    "clock_skewed": _clock_skewed,
    "holds_secret": _holds_secret,
    "weakens": _weakens,
}


def digest(rule_id: UUID, name: str) -> bytes:
    """Returns the 16 bytes that stand for a name in a rule's state, equal for names that differ only in case.

    Keyed by the rule, so that digests of different rules cannot be matched, and no name is stored.
    """
    return blake2b(fold(name).encode(), digest_size=16, key=rule_id.bytes).digest()


def may_weaken(changes: dict[str, object]) -> bool:
    """Whether the changes may weaken a setting: unless there are some, and each is known to tighten or keep it."""
    values = list(changes_of(changes))
    return not values or not all(map(_tightens, values))


def _tightens(change: Change) -> bool:
    if change.kind != "changed":
        return False
    if change.before == change.after:
        return True
    if _ON.search(change.path):
        return (change.before, change.after) == ("false", "true")
    try:
        before, after = _number.decode(change.before), _number.decode(change.after)
    except msgspec.DecodeError:
        return False
    if _MORE.search(change.path):
        return after > before
    return _LESS.search(change.path) is not None and 0 < after < before  # 0 often means no limit
