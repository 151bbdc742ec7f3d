"""Compiles a query to a SQL expression over the columns of the events table; user input becomes parameters.

Equivalent to `search.match` on every event. The text index holds needles of three characters or more. It is used only
where every wanted event must hold the needle: never below a NOT, and in an OR only if each branch has one. The engine
can use it in two ways:

- It reads the matching rows straight from the index (`hasAllTokens`). That may match too much but never too little, so
  an exact test stands beside it.
- It skips what the index says has no match, and tests the rest (`LIKE`), with the settings BY_LIKE. A word stands in
  one of two columns, each with an index of its own, and to read both indexes for every row takes twice as long as this.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tallystick.ids import milliseconds_of
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
    HasIdentifier,
    HasPath,
    InElement,
    InNetwork,
    IsResource,
    Not,
    Or,
    Query,
    RecordedByTallystick,
    ValueAtPath,
)
from tallystick.query.own_records import END_OF_OWN_WHAT
from tallystick.query.values import address_text, network_span, split_patterns
from tallystick.query.values import event_id_span as id_span
from tallystick.store.details_sql import details_sql, needles_of
from tallystick.store.schema import SEARCHED, SEARCHED_AFTER, SEARCHED_LISTS, folded, names

# The shortest needle that has a token: the index holds runs of three characters.
TOKEN = 3
BY_LIKE = {"query_plan_direct_read_from_text_index": 0}
_SEARCHED = frozenset((*SEARCHED, *SEARCHED_AFTER, *SEARCHED_LISTS))
# What a timestamp column can hold and an event can have; bounds beyond mean the same.
_EARLIEST, _LATEST = 0, 7_258_118_400_000_000  # 1970 to 2200


@dataclass(frozen=True, slots=True)
class Estimate:
    """SQL that counts fast and perhaps too high: `words` if no event fulfils `in_clients`, else `anywhere`.

    `words` looks for the needles in the search text, `anywhere` also in the texts of clients. `in_clients` is that some
    needle stands in the text of a client; read with BY_LIKE, it takes as long as the planning of a statement.
    """

    words: str
    in_clients: str
    anywhere: str


@dataclass(frozen=True, slots=True)
class Compiled:
    """A compiled query: `sql` is a parenthesised boolean expression, `parameters` are bound to it.

    `settings`: with which it is read fastest; with any others it finds the same. `indexed`: the text index narrows it,
    so that it does not scan the whole period. `estimate`: with the same parameters; None if the text index cannot give
    one or is not needed to count.
    """

    sql: str
    parameters: dict[str, str]
    settings: Mapping[str, int]
    indexed: bool
    estimate: Estimate | None


def sql_for(query: Query, *, prefix: str = "p") -> Compiled:
    """Compile the query, without its organization. Two in one statement need different prefixes."""
    period = Between(query.start, query.end)
    condition = query.condition if period == Between() else And((period, query.condition))
    has_words = any(True for _ in _words(condition))
    writer = _Writer(prefix, by_like=has_words)
    sql = writer.write(condition, wanted=True)
    estimate = None
    if _has_estimate(condition):
        direct = _Writer(prefix, by_like=False, parameters=writer.parameters, names=writer.names)
        in_clients = _any(map(direct.in_client, _words(condition)))
        estimate = Estimate(
            direct.estimate(condition, clients=False), in_clients, direct.estimate(condition, clients=True)
        )
    return Compiled(sql, writer.parameters, BY_LIKE if has_words else {}, _narrowed(condition), estimate)


@dataclass(slots=True)
class _Writer:
    """Writes conditions and collects their parameters; equal values share one parameter.

    `by_like`: which of the two ways to use the text index it writes.
    """

    prefix: str
    by_like: bool
    parameters: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    def bind(self, value: str) -> str:
        if value not in self.names:
            name = self.names[value] = f"{self.prefix}{len(self.names)}"
            self.parameters[name] = value
        return f"{{{self.names[value]}:String}}"

    def write(self, condition: Condition, *, wanted: bool) -> str:
        """`wanted`: every event of the result fulfils this condition, so the index may narrow by it."""
        match condition:
            case Contains(needle):
                return _any([*(self.tokens([needle], wanted) or [self.holds(needle)]), self.in_client(needle)])
            case Equals():
                return _all([*self.runs(condition, wanted), self.equals(condition)])
            case IsResource(kind, named):
                return self.is_resource(kind, named)
            case InNetwork(networks):
                return _any(self.inside(*network_span(network)) for network in networks)
            case ContainsInOrder(pieces):
                return self.contains_in_order(pieces, wanted)
            case HasIdentifier(values):
                return self.has_identifier(values)
            case AtPath() | HasPath() | ValueAtPath() | InElement():
                needles = needles_of(condition)
                return _all([*(self.tokens(needles, wanted) if needles else ()), details_sql(condition, self.bind)])
            case Between(start, end):
                bounds = [(">=", start), ("<", end)]
                return _all(f"occurred_at {sign} {self.time(at)}" for sign, at in bounds if at is not None)
            case RecordedByTallystick():
                return f"endsWith(what, {self.bind(END_OF_OWN_WHAT.decode())})"
            case Not(inner):
                return f"(NOT {self.write(inner, wanted=False)})"
            case And(conditions):
                return _all(self.write(each, wanted=wanted) for each in conditions)
            case Or(conditions):
                wanted = wanted and _narrowed(condition)
                return _any(self.branch(each, wanted) for each in conditions)

    def branch(self, condition: Condition, wanted: bool) -> str:
        """A branch of an OR: one of exact actions, into which words are expanded, is found by the index too."""
        test = self.write(condition, wanted=wanted)
        if not wanted or not isinstance(condition, Equals) or not _names_actions(condition):
            return test
        values, _ = split_patterns(condition.patterns, wildcards=condition.wildcards)
        return _all([*self.tokens(values, True), test])

    def estimate(self, condition: Condition, *, clients: bool) -> str:
        """As `write`, for a condition that `_has_estimate`, using only the index for its needles.

        Without `clients` it leaves out the events that have a needle only in the text of their client.
        """
        match condition:
            case Contains(needle):
                # Its column has few values: to compare each is faster than to read the rows from a second index.
                client = [f"position(client_text, {self.bind(needle)}) > 0"] if clients else []
                return _any([*self.tokens([needle], True), *client])
            case And(conditions):
                return _all(self.estimate(each, clients=clients) for each in conditions)
            case Or(conditions):
                return _any(self.estimate(each, clients=clients) for each in conditions)
            case _:
                return self.write(condition, wanted=True)

    def holds(self, needle: str) -> str:
        return f"position(search_text, {self.bind(needle)}) > 0"

    def in_client(self, needle: str) -> str:
        """Answered by the index on this column, which looks through its few values."""
        return f"client_text LIKE {self.bind(_like_within(needle))}"

    def tokens(self, needles: Iterable[str], wanted: bool) -> list[str]:
        """The index expression for these alternatives, if there is one; by LIKE it is exact."""
        if not wanted or not all(len(needle) >= TOKEN for needle in needles):
            return []
        if self.by_like:
            return [_any(f"search_text LIKE {self.bind(_like_within(needle))}" for needle in needles)]
        return [_any(f"hasAllTokens(search_text, {self.bind(needle)})" for needle in needles)]

    def runs(self, condition: Equals, wanted: bool) -> list[str]:
        """The index expression for patterns over several columns: each contains its longest run of letters.

        A single column of few values is compared faster than the index is asked.
        """
        columns = () if condition.field == "id" else STANDS_IN[condition.field]
        values, wild = split_patterns(condition.patterns, wildcards=condition.wildcards)
        if not wild or len(columns) < 2 or not set(columns) <= _SEARCHED:
            return []
        return self.tokens([*values, *(max(pieces, key=len) for pieces in wild)], wanted)

    def equals(self, condition: Equals) -> str:
        if condition.field == "id":
            spans = [found for pattern in condition.patterns if (found := id_span(pattern))]
            return _any(self.identified(*found) for found in spans)
        values, wild = split_patterns(condition.patterns, wildcards=condition.wildcards)
        plain = [self.bind(value) for value in values if value]
        columns = STANDS_IN[condition.field]
        tests = [self.fits(column, pieces) for pieces in wild for column in columns]
        if plain and len(columns) > 1:
            # Written as the index on these names is, which then answers without reading any of them.
            tests += [f"has({names(condition.field)}, {value})" for value in plain]
        elif plain:
            tests.append(f"{folded(columns[0])} IN ({', '.join(plain)})")
        return _any(tests)

    def fits(self, column: str, pieces: Sequence[str]) -> str:
        if column in MULTIPLE:
            return f"arrayExists(one -> {self.fits('one', pieces)}, {column})"
        if not any(pieces):
            return f"{column} != ''"
        return f"{folded(column)} LIKE {self.bind('%'.join(map(_like, pieces)))}"

    def is_resource(self, kind: str, named: Iterable[str]) -> str:
        """The index on names and ids narrows it; the exact test compares these and the type of each resource."""
        values = [self.bind(one) for one in named]

        def test(of_type: str, of_id: str, of_name: str) -> str:
            texts = _any(f"{folded(text)} IN ({', '.join(values)})" for text in (of_id, of_name))
            return _all([f"{folded(of_type)} = {self.bind(kind)}", texts])

        others = "other_resource_types, other_resource_ids, other_resource_names"
        among = f"arrayExists((one_type, one_id, one_name) -> {test('one_type', 'one_id', 'one_name')}, {others})"
        indexed = _any(f"has({names('resource')}, {value})" for value in values)
        return _all([indexed, _any([test("resource_type", "resource_id", "resource_name"), among])])

    def identified(self, first: int, last: int) -> str:
        """An id holds the millisecond of receipt, by which rows are found far faster than by the id itself."""
        low, high = (f"{bits:032x}" for bits in (first, last))
        begin, end = (milliseconds_of(bits.to_bytes(16, "big")) for bits in (first, last))
        within = [f"received_at >= {self.time(begin * 1000)}", f"received_at < {self.time((end + 1) * 1000)}"]
        exact = f"id = toUUID({self.bind(_dashed(low))})"
        if low != high:
            exact = f"toString(id) BETWEEN {self.bind(_dashed(low))} AND {self.bind(_dashed(high))}"
        return _all([*within, exact])

    def inside(self, first: int, last: int) -> str:
        low, high = (f"toIPv6({self.bind(address_text(bits))})" for bits in (first, last))
        tests = [f"ip = {low}" if first == last else f"ip BETWEEN {low} AND {high}"]
        # No address is kept as ::, which is an address too.
        return _all(tests if first else [*tests, "ip_address != ''"])

    def contains_in_order(self, pieces: Sequence[str], wanted: bool) -> str:
        """The index finds the longest piece; the pattern is compared with each value, between which NUL stands."""
        pattern = self.bind(f"%{'%'.join(map(_like, pieces))}%")
        longest = max(pieces, key=len)
        tests = [*self.tokens([longest], wanted), f"search_text LIKE {pattern}"]
        in_text = _all([*tests, f"arrayExists(one -> one LIKE {pattern}, splitByChar('\\0', search_text))"])
        in_client = f"arrayExists(one -> one LIKE {pattern}, splitByChar('\\0', client_text))"
        return _any([in_text, _all([f"client_text LIKE {pattern}", in_client])])

    def has_identifier(self, values: Iterable[str]) -> str:
        """Written as the indexes on these columns are."""
        some = [self.bind(value) for value in values]
        tests = [f"{folded(column)} IN ({', '.join(some)})" for column in ("request_id", "trace_id", "external_id")]
        tests += [f"has({names('session')}, {value})" for value in some]
        spans = [span for value in values if "*" not in value and (span := id_span(value))]
        return _any([*tests, *(self.identified(*span) for span in spans)])

    def time(self, at: int) -> str:
        return f"fromUnixTimestamp64Micro(toInt64({self.bind(str(min(max(at, _EARLIEST), _LATEST)))}), 'UTC')"


def _words(condition: Condition) -> Iterator[str]:
    match condition:
        case Contains(needle):
            yield needle
        case Not(inner):
            yield from _words(inner)
        case And(conditions) | Or(conditions):
            for one in conditions:
                yield from _words(one)


def _narrowed(condition: Condition) -> bool:
    """Whether the text index covers every event of the result."""
    match condition:
        case Contains(needle):
            return len(needle) >= TOKEN
        case ContainsInOrder(pieces):
            return len(max(pieces, key=len)) >= TOKEN
        case HasIdentifier():
            return True  # by the indexes on ids, which the engine combines with that on text
        case AtPath() | HasPath() | ValueAtPath() | InElement():
            needles = needles_of(condition)
            return bool(needles) and all(len(needle) >= TOKEN for needle in needles)
        case And(conditions):
            return any(map(_narrowed, conditions))
        case Or(conditions):
            return any(map(_narrowed, conditions)) and all(_narrowed(one) or _names_actions(one) for one in conditions)
        case _:
            return False


def _names_actions(condition: Condition) -> bool:
    """Whether it asks for exact actions, whose names stand in the text that the index covers."""
    if not isinstance(condition, Equals) or condition.field != "action":
        return False
    values, wild = split_patterns(condition.patterns, wildcards=condition.wildcards)
    return not wild and all(len(value) >= TOKEN for value in values)


def _has_estimate(condition: Condition) -> bool:
    """Whether the condition consists of indexed needles and index-free conditions, joined by AND and OR."""
    match condition:
        case Contains(needle):
            return len(needle) >= TOKEN
        case And(conditions) | Or(conditions):
            return all(_has_estimate(each) or _is_plain(each) for each in conditions) and any(
                map(_has_estimate, conditions)
            )
        case _:
            return False


def _is_plain(condition: Condition) -> bool:
    return isinstance(condition, Equals | HasIdentifier | InNetwork | Between | RecordedByTallystick)


def _like_within(needle: str) -> str:
    return f"%{_like(needle)}%"


def _like(text: str) -> str:
    """The text as a part of a LIKE pattern."""
    for special in ("\\", "%", "_"):
        text = text.replace(special, "\\" + special)
    return text


def _dashed(digits: str) -> str:
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _all(tests: Iterable[str]) -> str:
    return _joined(" AND ", tests, "true")


def _any(tests: Iterable[str]) -> str:
    return _joined(" OR ", tests, "false")


def _joined(word: str, tests: Iterable[str], none: str) -> str:
    found = list(tests)
    return found[0] if len(found) == 1 else f"({word.join(found)})" if found else none
