"""The two judges of a query: the event store by SQL, and `match` in Python."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from uuid import UUID

import pytest
from clickhouse_connect.driver.client import Client
from hypothesis import HealthCheck, given, settings

from tallystick.events.record import Record
from tallystick.ids import encode, milliseconds_of
from tallystick.query.case_folding import fold
from tallystick.query.conditions import And, AtPath, Condition, Contains, Equals, InNetwork, Not, Or, Query
from tallystick.search.match import compile_match
from tallystick.store.bounds import COUNTING
from tallystick.store.clients import Bounds, connect
from tallystick.store.query_sql import BY_LIKE, sql_for
from tallystick.store.rows import ROW_COLUMNS, arrow_stream, table_of
from tallystick.store.schema import CREATE_EVENTS, CREATE_SETTINGS
from tests.fixtures.sizes import size
from tests.search.material import ADDRESSES, IDS, NETWORKS, PIECES, TIMES, cases, record

ORGANIZATION = UUID(int=7)
EXAMPLES = int(os.environ.get("TALLYSTICK_MATCH_EXAMPLES") or size(10, 500))


class Judge:
    """The event store with a table of its own, in which a few rows are many granules and several parts."""

    def __init__(self, client: Client) -> None:
        self.client = client
        create = CREATE_EVENTS.replace("EXISTS events", "EXISTS judged")
        create = create.replace("fsync_after_insert = 1, fsync_part_directory = 1,", "")
        assert "index_granularity = 256" in create
        client.command("DROP TABLE IF EXISTS judged")
        client.command(create.replace("index_granularity = 256", "index_granularity = 4"), settings=CREATE_SETTINGS)

    def hold(self, rows: Sequence[Record]) -> None:
        """Exactly these records, index by place, in two parts."""
        self.client.command("TRUNCATE TABLE judged")
        half = len(rows) // 2
        for first, members in ((0, rows[:half]), (half, rows[half:])):
            if members:
                block = arrow_stream(table_of([(ORGANIZATION, first, members)]))
                self.client.raw_insert("judged", list(ROW_COLUMNS), block, fmt="ArrowStream")

    def finds(self, asked: Sequence[Query]) -> list[set[int]]:
        """What each query finds, all in one statement."""
        parts, parameters = [], {"org": str(ORGANIZATION)}
        for number, query in enumerate(asked):
            compiled = sql_for(query, prefix=f"q{number}_")
            parameters |= compiled.parameters
            wanted = {"exact": compiled.sql}
            if compiled.estimate is not None:
                wanted |= asdict(compiled.estimate)
            parts += [
                f"SELECT {number} AS n, '{name}' AS name, groupArray(seq) FROM judged "
                f"WHERE org_id = toUUID({{org:String}}) AND {sql}"
                for name, sql in wanted.items()
            ]
        statement = " UNION ALL ".join(parts)
        direct, by_like = (self.results(statement, parameters, given) for given in ({}, BY_LIKE))
        assert direct == by_like, "the settings change what is found"
        exact = [by_like[number, "exact"] for number in range(len(asked))]
        for number, hits in enumerate(exact):
            in_clients = by_like.get((number, "in_clients"))
            assert hits <= by_like.get((number, "anywhere"), hits), "an estimate counts too little"
            assert in_clients or hits <= by_like.get((number, "words"), hits), "no client has a word, but its count"
        return exact

    def granules_read(self, condition: Condition) -> int:
        """Of how many runs of 4 rows a count reads any column."""
        compiled = sql_for(Query(condition))
        statement = f"EXPLAIN indexes = 1 SELECT count() FROM judged WHERE {compiled.sql}"
        given = {**compiled.settings, **COUNTING}
        lines = self.client.query(statement, parameters=compiled.parameters, settings=given).result_rows
        counts = [line.split()[-1] for (line,) in lines if line.strip().startswith("Granules:")]
        return int(counts[-1].partition("/")[0])

    def results(
        self, statement: str, parameters: dict[str, str], given: dict[str, int]
    ) -> dict[tuple[int, str], set[int]]:
        rows = self.client.query(statement, parameters=parameters, settings=given).result_rows
        return {(row[0], row[1]): set(row[2]) for row in rows}


@pytest.fixture(scope="module")
def judge(events_url: str) -> Iterator[Judge]:
    client = connect(events_url, Bounds())
    yield Judge(client)
    client.command("DROP TABLE judged")
    client.close()


def agree(judge: Judge, rows: Sequence[Record], asked: Sequence[Query]) -> None:
    for query, found in zip(asked, judge.finds(asked), strict=True):
        matches = compile_match(query)
        expected = {index for index, row in enumerate(rows) if matches(row)}
        assert found == expected, (query, sql_for(query), [rows[index] for index in found ^ expected])


@pytest.mark.full_size
@given(case=cases)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=EXAMPLES == 10,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
def test_the_store_and_python_find_the_same_events(judge: Judge, case: tuple[list[Record], list[Query]]) -> None:
    rows, asked = case
    judge.hold(rows)
    agree(judge, rows, asked)


# What is rare at random: each odd letter in each kind of condition.
KINDS: dict[str, Callable[[str], Condition]] = {
    "word": lambda piece: Contains(f"x{piece}y"),
    "excluded word": lambda piece: Not(And((Contains(f"x{piece}"), Not(Contains(piece))))),
    "either word": lambda piece: Or((Contains(piece), Contains("x42"))),
    "both words": lambda piece: And((Contains(f"{piece}x"), Or((Contains("42x"), Contains(piece))))),
    "name": lambda piece: Equals("user", (piece, "x"), wildcards=False),
    "pattern": lambda piece: Equals("resource", (f"x*{piece}*", f"{piece}*")),
    "excluded pattern": lambda piece: Not(Equals("session", (f"{piece}*",))),
    "path": lambda piece: AtPath("changes.a", (piece,)),
    "excluded path": lambda piece: Not(AtPath("changes", (f"{piece}x", f"x{piece}"))),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_piece_is_judged_alike(judge: Judge, kind: str) -> None:
    rows = [
        record(
            description=f"x{piece}y",
            actor_name=piece,
            resource_name=f"x{piece}y",
            session_id=piece + piece,
            paths=("changes.a", "changes.ab"),
            values=(piece, f"y{piece}x"),
        )
        for piece in PIECES
    ]
    judge.hold(rows)
    asked = [Query(KINDS[kind](fold(piece))) for piece in PIECES]
    for first in range(0, len(asked), 20):
        agree(judge, rows, asked[first : first + 20])


def test_every_address_is_in_the_same_networks(judge: Judge) -> None:
    rows = [record(ip_address=address) for address in ADDRESSES]
    judge.hold(rows)
    agree(judge, rows, [Query(InNetwork((network,))) for network in NETWORKS])
    agree(judge, rows, [Query(Not(InNetwork((network,)))) for network in NETWORKS])


def test_every_beginning_of_an_id_means_the_same_events(judge: Judge) -> None:
    rows = [record(id=one, received_at=milliseconds_of(one) * 1000 + 999) for one in IDS]
    judge.hold(rows)
    whole = encode("evt", IDS[1])
    patterns = [whole, *(whole[:cut] + "*" for cut in range(len(whole) + 1)), whole[:-1], "evt_8*", "*x", "x*"]
    for first in range(0, len(patterns), 20):
        agree(judge, rows, [Query(Equals("id", (pattern,))) for pattern in patterns[first : first + 20]])


def test_every_bound_of_time_means_the_same_events(judge: Judge) -> None:
    rows = [record(occurred_at=moment) for moment in TIMES]
    judge.hold(rows)
    bounds = (-(10**16), -1, 0, *(moment + step for moment in TIMES[::2] for step in (-1, 0, 1)), 10**18)
    agree(judge, rows, [Query(start=bound) for bound in bounds] + [Query(end=bound) for bound in bounds])


def test_a_word_that_stands_nowhere_reads_nothing(judge: Judge) -> None:
    rows = [record(description=f"terraform apply {number}", user_agent="Chrome/120.0") for number in range(200)]
    judge.hold(rows)
    needles = ["no-such-word", "chrome/120", "apply 142", "terraform"]
    assert [judge.granules_read(Contains(needle)) for needle in needles] == [0, 50, 1, 50]
    assert judge.granules_read(And((Contains("terraform"), Contains("no-such-word")))) == 0
    assert judge.granules_read(Or((Contains("apply 142"), Contains("no-such-word")))) == 1


def test_a_driver_hands_over_what_was_typed(judge: Judge) -> None:
    texts = [
        "\\N",
        "\\",
        "a\\'b",
        "tab\there",
        "line\nline",
        "\r\n",
        "{q0_0:String}",
        "%(x)s",
        "'; DROP TABLE judged; --",
        "\x01\x7f",
    ]
    rows = [record(values=(text,), paths=("changes.a",)) for text in texts]
    judge.hold(rows)
    found = judge.finds([Query(Contains(fold(text))) for text in texts])
    assert [index in hits for index, hits in enumerate(found)] == [True] * len(texts)
