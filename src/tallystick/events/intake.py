"""Intake: from the body of a request to events that are ready to be recorded.

Everything that needs no lock happens here: every rule, the defaults, redaction, the four parts and their commitments.
Each recorded event passes here, so this module is written for speed.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from re import compile as pattern

import msgspec
from msgspec.structs import astuple, replace

from tallystick.clock import from_us, to_us
from tallystick.events.action_catalogue import BUILT_IN, ActionCatalogue
from tallystick.events.body import read_body
from tallystick.events.catalogue import EARLIER_SEVERITIES
from tallystick.events.context_values import is_address, is_country
from tallystick.events.details import KEY_BEGINS, MAX_PATH, MAX_VALUES, Found, Unfit, redact_keys, walker_for
from tallystick.events.examine import TOO_DEEP, examine
from tallystick.events.geoip import FindAddress, enrich
from tallystick.events.incoming import Actor, Context, Details, EventInput, OnBehalfOf, Resource
from tallystick.events.key_text import holds_key
from tallystick.events.output import SKEW
from tallystick.events.prepared import Prepared
from tallystick.events.problems import Problems
from tallystick.events.random_parts import RANDOM_EACH, RANDOM_ID, random_parts
from tallystick.events.schema_check import SchemaCheck, SchemaWarning
from tallystick.merkle.commitment import ABSENT, commit
from tallystick.query.own_records import IMPORTED, RESERVED
from tallystick.query.scope import TALLYSTICK, Principal

MAX_EVENT = 64 * 1024  # bytes, the four parts together
MAX_PATHS = 4 * MAX_EVENT  # characters: the paths of all values, which searching keeps beside the parts
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
FEW_PATHS = MAX_PATHS // MAX_PATH  # not worth adding up
LATEST_AHEAD = timedelta(days=1)
ACTION = pattern(r"[a-z0-9_]+(?:\.[a-z0-9_]+)+")

STAMP_LENGTH = len('"2024-01-15T14:30:45.120000Z"')
_ESCAPE = b"\\u"  # of a JSON text: what it stands for, the bytes do not show

_json = msgspec.json.Encoder().encode
_sorted_json = msgspec.json.Encoder(order="deterministic").encode
# Of the fields of a Record in their order: it is what is written down, and nothing here needs the object.
_record_frame = msgspec.msgpack.Encoder().encode


class _Who(msgspec.Struct, omit_defaults=True, gc=False):
    actor: Actor
    context: Context | None = None
    enriched: list[str] | None = None


class _Resources(msgspec.Struct, gc=False):
    resources: Sequence[Resource]


class _Details(msgspec.Struct, omit_defaults=True, gc=False):
    description: str | None = None
    status_reason: str | None = None
    original_action: str | None = None
    changes: Details | None = None
    request: Details | None = None
    response: Details | None = None
    metadata: Details | None = None
    redacted: list[str] | None = None


def read_request(
    body: bytes,
    content_type: str,
    *,
    received_at: int,
    recorded_by: Principal,
    redacted_keys: frozenset[str],
    find_address: FindAddress | None = None,
    catalogue: ActionCatalogue = BUILT_IN,
) -> list[Prepared]:
    """The prepared events of a request body, in order; `received_at` in microseconds since 1970 UTC.

    `find_address` fills in country and network of addresses where an event does not give them; `catalogue` has the
    defaults and schemas of the organization's actions.

    Raises Invalid with `errors`, every problem of every event; BadRequest, TooLarge and UnsupportedMedia as
    `body.read_body` does; nothing else, whatever the bytes are.
    """
    problems = Problems()
    events = read_body(body, content_type, problems)
    intake = _Intake(received_at, recorded_by, redacted_keys, find_address, len(events), problems, catalogue)
    # One look at all of the body: only where it has none can an event have a key, or one that is written in escapes.
    intake.may_hold_keys = KEY_BEGINS in body or (b"\\" in body and _ESCAPE in body)
    return _prepare(events, problems, intake)


def prepare(
    events: Sequence[EventInput],
    *,
    received_at: int,
    recorded_by: Principal,
    redacted_keys: frozenset[str],
    find_address: FindAddress | None = None,
) -> list[Prepared]:
    """Prepare events made in this process; the given objects are not changed. Raises Invalid as `read_request`."""
    problems = Problems()
    sent = [examine(msgspec.to_builtins(event), index, problems) for index, event in enumerate(events)]
    intake = _Intake(received_at, recorded_by, redacted_keys, find_address, len(sent), problems)
    return _prepare(sent, problems, intake)


def _prepare(events: Collection[EventInput], problems: Problems, intake: "_Intake") -> list[Prepared]:
    for index, event in enumerate(events):
        intake.take(index, event)
    if problems:
        raise problems.error()
    return intake.prepared


class _Intake:
    """What the events of one request have in common, and those prepared so far."""

    def __init__(
        self,
        received_at: int,
        recorded_by: Principal,
        redacted_keys: frozenset[str],
        find_address: FindAddress | None,
        count: int,
        problems: Problems,
        catalogue: ActionCatalogue = BUILT_IN,
    ) -> None:
        self.prepared: list[Prepared] = []
        self.may_hold_keys = True  # API keys that are to be redacted
        self._defaults = catalogue.defaults
        self._schemas = SchemaCheck(catalogue, problems) if catalogue.has_schemas else None
        self._problems = problems
        self._received_at = received_at
        now = from_us(received_at)
        self._stamp = _stamp(now)
        self._latest = now + LATEST_AHEAD
        self._walk = walker_for(redacted_keys).walk
        self._actor, self._end_of_what = _recorder(recorded_by)
        self._recorder = recorded_by.id, recorded_by.email, recorded_by.name
        self._is_own = recorded_by == TALLYSTICK
        self._find_address = find_address
        self._milliseconds = (received_at // 1000).to_bytes(6, "big")
        self._random = random_parts(count)

    def take(self, index: int, event: EventInput, keys_at: Sequence[str] = (), *, enriches: bool = True) -> None:
        """Prepare the event, or add its problems. `keys_at` are the places of API keys that were redacted in it."""
        received_at, action, context, enriched = self._received_at, event.action, event.context, None
        default_category, default_status, default_severity = self._defaults(action)
        resource, others = _split_resources(event)
        facts = _NO_FACTS if context is None else _facts(context)
        sound = _may_record(action, self._is_own) and _is_complete(event)
        sound = sound and is_address(facts[_IP]) and is_country(facts[_COUNTRY])
        if self._find_address is not None and context is not None and sound and enriches:
            context, enriched = enrich(context, self._find_address)
            facts = _facts(context) if enriched else facts
        occurred_at, stamp = self._time(event.timestamp)
        sound = sound and occurred_at > 0
        found: Found = ([], [], list(keys_at))
        paths, values, redacted = found
        warnings = self._walk_details(index, event, found)
        if not sound:
            self._refuse(index, event)
        external_id = event.external_id or ""
        digest = _digest(event) if external_id and sound else b""
        status = event.status or default_status
        category = event.category or default_category
        severity = EARLIER_SEVERITIES.get(event.severity or default_severity) or event.severity or default_severity
        actor = _typed(event.actor) if event.actor is not None else self._actor
        behalf = actor.on_behalf_of or _NOBODY
        given = f',"external_id":{_json(external_id).decode()}' if external_id else ""
        start = f'{{"action":"{action}","category":"{category}","status":"{status}","severity":"{severity}"'
        what = f'{start},"timestamp":{stamp}{given}{self._end_of_what}'.encode()
        target = ABSENT if resource is _NO_RESOURCE else _json(resource)
        if others:
            target = _json(_Resources([resource, *others]))
        said = enriched if event.enriched is None else _enriched_fields(event, enriched)
        who, details = _json(_Who(actor, context, said)), _details_part(event, redacted)
        size = len(what) + len(target) + len(who) + len(details)
        if size > MAX_EVENT and enriched:
            self.take(index, event, keys_at, enriches=False)  # what a sender may send is recorded, whatever is added
            return
        if size > MAX_EVENT or (len(paths) > FEW_PATHS and sum(map(len, paths)) > MAX_PATHS):
            self._too_large(index, size)
        if self._problems.found:
            return
        if self.may_hold_keys and (places := _redacted_keys(event, target, who, details)):
            self.take(index, event, places, enriches=enriches)  # once: afterwards none is left
            return
        at = len(self.prepared) * RANDOM_EACH
        event_id = self._milliseconds + self._random[at : at + RANDOM_ID]
        seed = self._random[at + RANDOM_ID : at + RANDOM_EACH]
        entry = commit(event_id, received_at, seed, (what, target, who, details))
        frame = _record_frame((
            event_id, received_at, occurred_at, seed, entry, what, target, who, details,
            action, category, status, event.description or "",
            actor.type or "", actor.id or "", actor.email or "", actor.name or "",
            behalf.id or "", behalf.email or "", behalf.name or "",
            resource.type, resource.id or "", resource.name or "", facts[_IP], facts[_SESSION], facts[_REQUEST],
            paths, values, b"",
            severity, external_id, *self._recorder, event.status_reason or "", event.original_action or "",
            *_columns_of(others), facts[_USER_AGENT], *facts[_TRACE:],
        ))  # fmt: skip
        kept, ahead = (event_id, received_at, occurred_at, entry, frame), occurred_at > received_at + SKEW
        self.prepared.append(Prepared(*kept, external_id, digest, ahead, stamp[1:-1], warnings))

    def _time(self, timestamp: datetime | None) -> tuple[int, str]:
        """When an event of this timestamp occurred (µs since 1970 UTC), and that as JSON; (0, "") if it cannot be."""
        if timestamp is None:
            return self._received_at, self._stamp
        if EARLIEST <= timestamp <= self._latest:
            return to_us(timestamp), _stamp(timestamp)
        return 0, ""

    def _walk_details(self, index: int, event: EventInput, found: Found) -> tuple[SchemaWarning, ...]:
        try:
            self._walk(event, found)
        except Unfit as unfit:
            self._problems.add(index, unfit.place, unfit.code, _UNFIT[unfit.code])
            event.changes = event.request = event.response = event.metadata = None  # may be too deep to be encoded
            return ()
        return () if self._schemas is None else self._schemas.check(index, event)

    def _refuse(self, index: int, event: EventInput) -> None:
        add, timestamp, resource, context = self._problems.add, event.timestamp, event.resource, event.context
        if not _may_record(event.action, True):
            add(index, "action", "bad_action", BAD_ACTION)
        elif not _may_record(event.action, self._is_own):
            add(index, "action", "reserved_action", RESERVED_ACTION)
        if timestamp is not None and timestamp < EARLIEST:
            add(index, "timestamp", "timestamp_too_old", "This time is before 1990. Check the clock and the unit.")
        if timestamp is not None and timestamp > self._latest:
            advice = (
                f"This time is more than 24 hours ahead of the server's clock, {self._stamp[1:-1]}. "
                "Check the clock and the time zone."
            )
            add(index, "timestamp", "timestamp_in_future", advice)
        named = {"resource": resource} if resource is not None else {}
        named |= {f"resources.{number}": one for number, one in enumerate(event.resources or ())}
        for place, one in named.items():
            if not (one.id or one.name):
                add(index, f"{place}.id", "missing_field", "A resource needs an `id`, a `name`, or both.")
        if event.resources and not _is_first(resource, event.resources[0]):
            add(index, "resource", "other_resource", OTHER_RESOURCE)
        if context is not None and not is_address(context.ip_address or ""):
            add(index, "context.ip_address", "bad_ip", BAD_IP)
        if event.external_id and holds_key(event.external_id):
            add(index, "external_id", "key_in_external_id", KEY_IN_EXTERNAL_ID)
        if context is not None and not is_country(context.country or ""):
            add(index, "context.country", "bad_country", BAD_COUNTRY)

    def _too_large(self, index: int, size: int) -> None:
        detail = f"An event can have at most {MAX_EVENT} bytes as stored; this one has {size}"
        if size <= MAX_EVENT:
            detail = f"The paths of all values can have at most {MAX_PATHS} characters in total"
        self._problems.add(index, "", "event_too_large", f"{detail}. Remove, shorten or split its details.")


BAD_ACTION = "An action has the form `noun.verb` (a to z, 0 to 9 and _), such as `user.invited`."
RESERVED_ACTION = (
    f"Actions that begin with `{RESERVED}` are reserved: Tallystick itself records them. Choose another name. To bring "
    f"in an export of Tallystick, use `tallystick import`, which names such records `{IMPORTED}{RESERVED}…`."
)
BAD_IP = "This is not an IPv4 or IPv6 address (without port or zone). Put other values in `context.source`."
OTHER_RESOURCE = "`resource` must be the first of `resources`, or be left out."
BAD_COUNTRY = "A country is a code of two letters (ISO 3166-1), such as `DE`. Put other values in `context.region`."
KEY_IN_EXTERNAL_ID = "This holds an API key of Tallystick, which would be stored. Use another ID, and revoke the key."
_NO_RESOURCE = Resource("")
_NO_OTHERS: Sequence[Resource] = ()
# The places of fields in a context.
_IP, _USER_AGENT, _REQUEST, _SESSION, _TRACE = range(5)
_COUNTRY = Context.__struct_fields__.index("country")
_NO_FACTS: tuple[str, ...] = ("",) * len(Context.__struct_fields__)
_NOBODY = OnBehalfOf("user")
_UNFIT = {
    "too_deep": TOO_DEEP,
    "too_many_values": f"An event can have at most {MAX_VALUES} values. Remove or split its details.",
    "path_too_long": f"The path of a value can have at most {MAX_PATH} characters.",
}


@lru_cache(maxsize=1024)
def _recorder(by: Principal) -> tuple[Actor, str]:
    """The actor of an event that names none, and the end of `what` that says who recorded it."""
    said = {"type": by.kind, "id": by.id, "name": by.name} | ({"email": by.email} if by.email else {})
    actor = Actor("anonymous") if by.records_for_others else Actor(by.kind, by.id, by.email or None, by.name)
    return actor, f',"recorded_by":{_json(said).decode()}}}'


@lru_cache(maxsize=4096)
def _may_record(action: str, is_own: bool) -> bool:
    """Whether an event may have this action; `is_own`: Tallystick itself records it."""
    return ACTION.fullmatch(action) is not None and (is_own or not action.startswith(RESERVED))


def _split_resources(event: EventInput) -> tuple[Resource, Sequence[Resource]]:
    """The first resource, and the others."""
    if event.resources:
        return event.resources[0], event.resources[1:]
    return event.resource or _NO_RESOURCE, _NO_OTHERS


def _is_complete(event: EventInput) -> bool:
    """Whether each resource has an id or a name, the first is `resource`, and the external id holds no API key."""
    if event.external_id and holds_key(event.external_id):
        return False
    if event.resources:
        return all(one.id or one.name for one in event.resources) and _is_first(event.resource, event.resources[0])
    return event.resource is None or bool(event.resource.id or event.resource.name)


def _enriched_fields(event: EventInput, enriched: list[str] | None) -> list[str] | None:
    """What an importer says another server filled in, of the fields that are there, with what this one did."""
    given = [path for path in event.enriched or () if event.context and getattr(event.context, path.partition(".")[2])]
    return sorted({*given, *(enriched or ())}) or None


def _facts(context: Context) -> tuple[str, ...]:
    """The fields of a context in their order, "" for one that is not given; the country becomes upper case."""
    if context.country and context.country.isascii():
        context.country = context.country.upper()
    return tuple([fact or "" for fact in astuple(context)])


def _details_part(event: EventInput, redacted: list[str]) -> bytes:
    return _json(
        _Details(
            event.description, event.status_reason, event.original_action,
            event.changes, event.request, event.response, event.metadata, redacted or None,
        )
    )  # fmt: skip


def _is_first(resource: Resource | None, first: Resource) -> bool:
    """Whether `resource` says nothing else than the first of `resources`, which may have more: a role."""
    given = resource or first
    same = (given.type, given.id or "", given.name or "") == (first.type, first.id or "", first.name or "")
    return same and given.role in (None, "", first.role)


def _columns_of(resources: Sequence[Resource]) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """The types, ids and names of resources."""
    if not resources:
        return (), (), ()
    return (
        tuple(one.type for one in resources),
        tuple(one.id or "" for one in resources),
        tuple(one.name or "" for one in resources),
    )


def _stamp(timestamp: datetime) -> str:
    """The timestamp as JSON: in UTC, always with six digits, so that texts sort as times."""
    stamp = _json(timestamp if timestamp.tzinfo is UTC else timestamp.astimezone(UTC)).decode()
    return stamp if len(stamp) == STAMP_LENGTH else stamp[:20] + '.000000Z"'


def _typed(actor: Actor) -> Actor:
    if actor.type is None:
        actor.type = "user"
    if actor.on_behalf_of is not None and actor.on_behalf_of.type is None:
        actor.on_behalf_of.type = "user"
    return actor


def _redacted_keys(event: EventInput, target: bytes, who: bytes, details: bytes) -> list[str]:
    """The places of API keys, which are redacted then, in an event whose parts these are."""
    return redact_keys(event) if KEY_BEGINS in target or KEY_BEGINS in who or KEY_BEGINS in details else []


def _digest(event: EventInput) -> bytes:
    """Digest of the event as given, after redaction and before defaults; key order, the timestamp's zone and whether
    the first of several resources is given twice do not matter."""
    if event.timestamp is not None:
        event.timestamp = event.timestamp.astimezone(UTC)
    if several := event.resources:
        event = replace(event, resource=several[0], resources=several if several[1:] else None)
    return sha256(_sorted_json(event)).digest()
