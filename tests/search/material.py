"""Records and conditions made for searching: few letters, so that much of it meets."""

from collections.abc import Sequence
from datetime import datetime
from ipaddress import ip_network

from hypothesis import strategies as st

from tallystick.clock import to_us
from tallystick.events.action_catalogue import ActionCatalogue, ActionDescription
from tallystick.events.record import CONTEXT_FIELDS, Record
from tallystick.ids import encode, uuid7_bytes
from tallystick.query.case_folding import fold
from tallystick.query.conditions import (
    MULTIPLE,
    STANDS_IN,
    And,
    AtPath,
    Between,
    Condition,
    Contains,
    ContainsInOrder,
    Equals,
    EqualTo,
    Field,
    HasIdentifier,
    HasPath,
    InNetwork,
    IsResource,
    Not,
    Or,
    Query,
    RecordedByTallystick,
    ValueAtPath,
)
from tallystick.query.own_records import END_OF_OWN_WHAT

# Letters that fold in odd ways, that SQL, LIKE, regular expressions and drivers treat as their own, and plain ones.
PIECES = (
    "a", "B", "ab", "Abc", "dep", "loy", "DEPLOY", "x", "0", "42", ".", "-", "_", " ", "@", "%", "*", "**", "?", "[a]",
    "\\", "\\\\", "\\N", "\\n", "\\x", "'", "''", '"', '\\"', "`", "\n", "\r", "\t", "\x01", "\x7f", "{p0:String}",
    "ß", "ẞ", "SS", "İ", "i", "ı", "I", "i\u0307", "\u0307", "ς", "σ", "Σ", "ΑΣ", "ΑΣΑ", "ΌΣΟΣ", "ǅ", "Ǆ", "ǆ", "k",
    "\u212a", "\u212b", "\u2126", "å", "Å", "ω", "ſ", "s", "é", "e\u0301", "É", "Ж", "ж", "Ა", "ა", "Ꭰ", "ꭰ", "𐐀", "𐐨",
    "𞤀", "部署", "失败", "部署失败", "🎉", "👩\u200d👧", "🇩🇪", "\u200b", "\ufeff", "\u2028", "\U0010ffff", "\ufffd",
    "ﬁ", "Ⅷ", "ⅷ", "Ⓐ", "ⓐ", "Ａ", "ａ", "$1",
)  # fmt: skip
KEYS = ("a", "A", "b", "error", "x y", "a.b", "İ", "ß", "Σ", "部", "*", "%", "'", "\\")
ADDRESSES = (
    "", "::", "::1", "10.0.0.1", "10.0.0.255", "10.0.1.0", "192.168.1.50", "255.255.255.255", "0.0.0.0",
    "::ffff:10.0.0.1", "2001:db8::1", "2001:DB8:0:0::1", "2001:db8::ffff", "fe80::1",
    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
)  # fmt: skip
NETWORKS = tuple(
    ip_network(text, strict=False)
    for text in (
        "10.0.0.1", "10.0.0.0/24", "10.0.0.0/8", "0.0.0.0/0", "192.168.1.50", "255.255.255.255", "::", "::/0", "::/127",
        "::ffff:0:0/96", "::ffff:10.0.0.1", "2001:db8::/32", "2001:db8::1", "2001:db8::/127", "fe80::/10", "::1",
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    )
)  # fmt: skip
IDS = tuple(uuid7_bytes(1_705_329_045_000_000 + step, bytes([step % 251] * 10)) for step in (0, 1, 1000, 10**6, 10**9))
WHATS = (
    b"", b'{"action":"a.b"' + END_OF_OWN_WHAT, b'{"action":"a.b"' + END_OF_OWN_WHAT + b" ",
    b'{"action":"a.b","recorded_by":{"type":"api_key","id":"key_1","name":"Tallystick"}}',
)  # fmt: skip
TIMES = tuple(1_705_329_045_000_000 + step for step in (0, 1, 2, 1_000_000, 86_400_000_000))

text = st.lists(st.sampled_from(PIECES), max_size=4).map("".join)
path = st.lists(st.sampled_from(KEYS), max_size=2).flatmap(
    lambda keys: st.sampled_from(("changes", "request", "metadata")).map(lambda part: ".".join([part, *keys]))
)


def at(moment: str) -> int:
    """A time in microseconds since 1970 UTC."""
    return to_us(datetime.fromisoformat(moment))


def record(**given: object) -> Record:
    """A record in which everything not given is absent."""
    required = Record.__struct_fields__[: -len(Record.__struct_defaults__)]
    values: dict[str, object] = dict.fromkeys(required, "")
    values |= dict.fromkeys(("entry", "what", "target", "who", "details"), b"")
    values |= {
        "id": IDS[0],
        "seed": bytes(16),
        "received_at": TIMES[0],
        "occurred_at": TIMES[0],
        "paths": (),
        "values": (),
    }
    values |= {"action": "user.login", "category": "authentication", "status": "success"}
    return Record(**(values | given))  # type: ignore[arg-type]


@st.composite
def records(draw: st.DrawFn) -> Record:
    leaves = draw(st.lists(st.tuples(path, text), max_size=4))
    names = (
        "description", "actor_id", "actor_email", "actor_name", "behalf_id", "behalf_email", "behalf_name",
        "resource_type", "resource_id", "resource_name", "session_id", "request_id", "severity", "external_id",
        "recorder_id", "recorder_email", "recorder_name", "status_reason", "original_action", *CONTEXT_FIELDS,
    )  # fmt: skip
    filled: dict[str, object] = draw(st.dictionaries(st.sampled_from(names), text, max_size=8))
    others = draw(st.lists(st.tuples(text, text, text), max_size=3))
    filled |= {name: tuple(one[at] for one in others) for at, name in enumerate(sorted(MULTIPLE))}
    event_id = draw(st.sampled_from(IDS))
    return record(
        id=event_id,
        received_at=int.from_bytes(event_id[:6], "big") * 1000 + draw(st.integers(0, 999)),
        occurred_at=draw(st.sampled_from(TIMES)),
        action=draw(st.sampled_from(("user.login", "deployment.failed", "deploy.a_b", "s3.get"))),
        category=draw(st.sampled_from(("authentication", "deployments", "other"))),
        status=draw(st.sampled_from(("success", "failed"))),
        what=draw(st.sampled_from(WHATS)),
        ip_address=draw(st.sampled_from(ADDRESSES)),
        paths=tuple(at for at, _ in leaves),
        values=tuple(value for _, value in leaves),
        **filled,
    )


@st.composite
def id_patterns(draw: st.DrawFn) -> str:
    whole = encode("evt", draw(st.sampled_from(IDS)))
    cut = draw(st.integers(0, len(whole)))
    return draw(st.sampled_from((whole, whole[:cut] + "*", whole[:cut], "evt_" + "z" * 26, "evt_8*", "*" + whole)))


# Sentences of two of the actions above; two others are built in.
CATALOGUE = ActionCatalogue(
    ActionDescription(action=action, category="other", status="success", severity="info", sentence=sentence)
    for action, sentence in (
        ("deploy.a_b", "{actor} promoted {resource|a build} to {changes.a} in Έκδοση ΑΣΑΣ"),
        ("s3.get", "{actor} fetched the report of {metadata.b}"),
    )
)
SENTENCE_WORDS = (
    "promoted",
    "prom",
    "moted",
    "promoted to",
    "έκδοση ασασ",
    "fetched the",
    "the report of",
    "signed",
    "in",
)
IDENTIFYING: tuple[Field, ...] = ("session", "request", "trace", "external_id")
PLAIN_FIELDS: tuple[Field, ...] = tuple(STANDS_IN)
# Whose values a bare word is not looked for in.
UNSEARCHED = frozenset(PLAIN_FIELDS) - {
    "user", "action", "status", "resource", "status_reason", "original_action", "user_agent", "source",
}  # fmt: skip
times = st.none() | st.sampled_from((*TIMES, -1, 0, -(10**16), 10**18, TIMES[0] - 1, TIMES[-1] + 1))


@st.composite
def needles_from(draw: st.DrawFn, pool: tuple[str, ...]) -> str:
    """A piece of something that is there, or of nothing."""
    whole = draw(st.sampled_from(pool))
    first = draw(st.integers(0, len(whole) - 1))
    cut = whole[first : draw(st.integers(first + 1, len(whole)))]
    return fold(draw(st.sampled_from((cut, cut, whole, cut + "x", cut + draw(st.sampled_from(PIECES))))))


@st.composite
def patterns_from(draw: st.DrawFn, pool: tuple[str, ...]) -> str:
    """Something that is there, with stars in place of some of it."""
    whole = draw(st.sampled_from(pool))
    cuts = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=4)))
    for first, last in reversed(list(zip(cuts[::2], cuts[1::2], strict=False))):
        whole = whole[:first] + "*" + whole[last:]
    return fold(draw(st.sampled_from((whole, whole, whole.swapcase(), "*" + whole, whole[:-1] + "*", whole + "x"))))


def _joined(inner: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    several = st.lists(inner, max_size=4).map(tuple)
    return st.one_of(inner, inner, inner.map(Not), several.map(And), several.map(Or))


def _values(row: Record, name: str) -> tuple[str, ...]:
    value: str | tuple[str, ...] = getattr(row, name)
    return value if isinstance(value, tuple) else (value,)


def queries_about(rows: Sequence[Record]) -> st.SearchStrategy[Query]:
    """Queries that have something to do with these records."""
    texts = {value for row in rows for value in row.values}
    by_field: dict[Field, tuple[str, ...]] = {}
    for field in PLAIN_FIELDS:
        values = {value for row in rows for name in STANDS_IN[field] for value in _values(row, name)}
        by_field[field] = tuple(sorted(values - {""})) or ("x",)
        texts |= values if field not in UNSEARCHED else set()
    pool = tuple(sorted((texts | {row.description for row in rows}) - {""})) or ("x",)
    paths = tuple(sorted({fold(at) for row in rows for at in row.paths})) or ("changes",)
    needle = needles_from(pool)
    ids = [value for field in IDENTIFYING for value in by_field[field]]
    identifier = st.sampled_from([*map(fold, ids), *(encode("evt", one) for one in IDS), "x"])
    equals = st.sampled_from(PLAIN_FIELDS).flatmap(
        lambda field: st.builds(
            Equals, st.just(field), st.lists(patterns_from(by_field[field]), max_size=3).map(tuple), st.booleans()
        )
    )
    resource = st.builds(
        IsResource,
        st.sampled_from(by_field["resource_type"]).map(fold),
        st.lists(st.sampled_from(by_field["resource"]).map(fold), min_size=1, max_size=3).map(tuple),
    )
    leaves: st.SearchStrategy[Condition] = st.one_of(
        needle.map(Contains),
        needle.map(Contains),
        needle.map(Contains),
        st.lists(needle, min_size=2, max_size=3).map(tuple).map(ContainsInOrder),
        st.lists(identifier, min_size=1, max_size=2).map(tuple).map(HasIdentifier),
        st.sampled_from(paths).map(HasPath),
        st.builds(ValueAtPath, st.sampled_from(paths), needle.map(EqualTo)),
        st.sampled_from(SENTENCE_WORDS).map(fold).map(Contains),
        equals,
        equals,
        st.builds(Equals, st.just("id"), st.lists(id_patterns(), max_size=3).map(tuple), st.booleans()),
        st.builds(InNetwork, st.lists(st.sampled_from(NETWORKS), max_size=3).map(tuple)),
        resource,
        st.builds(AtPath, st.sampled_from(paths) | path.map(fold), st.lists(needle, min_size=1, max_size=3).map(tuple)),
        st.builds(Between, times, times),
        st.just(RecordedByTallystick()),
    )
    conditions = _joined(_joined(leaves)).map(CATALOGUE.expand)
    return st.builds(Query, conditions, st.none() | times, st.none() | times)


cases = st.lists(records(), min_size=10, max_size=25).flatmap(
    lambda rows: st.tuples(st.just(rows), st.lists(queries_about(rows), min_size=12, max_size=20))
)
