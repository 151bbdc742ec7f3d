"""The search box: what a text means, and what is said of one that means nothing."""

import time
from ipaddress import ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.errors import BadRequest
from tallystick.query.case_folding import fold
from tallystick.query.conditions import (
    EVERYTHING,
    And,
    AtPath,
    Between,
    Condition,
    Contains,
    ContainsInOrder,
    Equals,
    InNetwork,
    Not,
    Or,
)
from tallystick.search.grammar import DEEPEST, MOST_TERMS, needles, parse
from tallystick.search.tokens import LONGEST, QueryMistake, quoted
from tests.search.material import PIECES, at

NOW = at("2024-01-15T14:30:45Z")
DAY = 86_400_000_000
WRITTEN = (
    "OR", "AND", "NOT", " OR ", "(", ")", "-", " -", '"', ":", "user:", "status:", "usr:", "on:", "changes.",
    "changes.a:", "ip:", "id:", "after:2024-01-15", "before:2024-01-01", "evt_0*", "1.2.3.4/", " ",
    "“", "”", "'", "`", "|", "||", "&&", "&", "!",
    "=", "!=", ">", ">=", "<", "=~", "[", "]", "{", "}", " TO ", "..", ",", "/", ".*", "+", "@", '."', "metadata.a[",
    "x:>", "changes.a:>", "severity:", "_exists_:", "index=", " in ", " like ", "select ", " from ", "—", "–",
    "stats", "and ", "not ", "\u200b",
)  # fmt: skip


def read(text: str, zone: str = "UTC") -> Condition:
    return parse(text, now=NOW, zone=zone)


def mistake_or_none(text: str) -> QueryMistake | None:
    try:
        read(text)
    except QueryMistake as problem:
        return problem
    return None


def mistake(text: str) -> QueryMistake:
    problem = mistake_or_none(text)
    assert problem is not None, "it can be read"
    return problem


def user(*patterns: str) -> Equals:
    return Equals("user", patterns)


a, b, c = Contains("a"), Contains("b"), Contains("c")


class TestWords:
    @pytest.mark.parametrize("text", ["", " ", "\n\t\u3000"])
    def test_nothing_means_everything(self, text: str) -> None:
        assert read(text) == EVERYTHING

    @pytest.mark.parametrize(
        "word",
        [
            "deploy",
            "john@",
            "vpc-prod",
            "failed",
            "or",
            "and",
            "Not",
            "a-b",
            ".",
            "10:30",
            "7%",
            "don't",
            "wow!",
            "r&d",
        ],
    )
    def test_a_word_is_looked_for_as_it_stands(self, word: str) -> None:
        assert read(word) == Contains(fold(word))

    def test_a_star_in_a_word_stands_for_any_text_of_one_value(self) -> None:
        assert read("Deploy*") == read("*deploy") == read("*deploy**") == Contains("deploy")
        assert read("vpc-*-Prod*") == ContainsInOrder(("vpc-", "-prod"))
        assert read("*") == EVERYTHING
        assert read("* a") == a
        assert read(r"a\*b") == read('"a*b"') == Contains("a*b")

    def test_words_are_folded(self) -> None:
        assert read("ΌΣΟΣ") == Contains("όσοσ")

    def test_words_are_all_wanted(self) -> None:
        assert read("a  b\nc") == read("a AND b AND c") == And((a, b, c))

    def test_a_word_twice_is_a_word(self) -> None:
        assert read("a A a") == a

    def test_a_phrase_keeps_its_blanks_and_signs(self) -> None:
        assert read('"  S3 (encryption) OR -x: "') == Contains("  s3 (encryption) or -x: ")

    def test_in_a_phrase_a_backslash_hides_only_a_quote(self) -> None:
        assert read(r'"say \"hi\" \n \\ c:\dir"') == Contains('say "hi" \\n \\\\ c:\\dir')

    @given(st.lists(st.sampled_from((*PIECES, "OR", "user:", "(", ")")), min_size=1, max_size=8).map("".join))
    def test_any_text_can_be_looked_for_in_quotes(self, text: str) -> None:
        if not text.endswith("\\") and '\\"' not in text:
            assert read(quoted(text)) == Contains(fold(text))

    @pytest.mark.parametrize(
        "text",
        ["https://example.com/a?b=c", "fe80::1", "2001:db8::/32", "::1", "s3://bucket/key", "12:30:01", "00:1b:44:11"],
    )
    def test_an_address_needs_no_quotes(self, text: str) -> None:
        assert read(text) == Contains(text)


class TestJoining:
    def test_or_binds_less_than_standing_beside(self) -> None:
        assert read("a b OR c") == Or((And((a, b)), c))

    def test_parentheses_group(self) -> None:
        assert read("a (b OR c)") == And((a, Or((b, c))))
        assert read("((a))") == a

    def test_a_minus_excludes_a_word_a_phrase_a_qualifier_or_a_group(self) -> None:
        assert read("-a") == read("NOT a") == Not(a)
        assert read('-"a b"') == Not(Contains("a b"))
        assert read("-user:x b") == And((Not(user("x")), b))
        assert read("-(a OR b)") == Not(Or((a, b)))

    def test_a_minus_inside_a_word_is_part_of_it(self) -> None:
        assert read("vpc-prod -x-y") == And((Contains("vpc-prod"), Not(Contains("x-y"))))

    def test_depth_and_length_have_room(self) -> None:
        assert read("(" * DEEPEST + "a" + ")" * DEEPEST) == a
        assert read("x" * LONGEST) == Contains("x" * LONGEST)
        assert len(read(" ".join(f"w{n}" for n in range(MOST_TERMS))).conditions) == MOST_TERMS  # type: ignore[union-attr]


class TestQualifiers:
    @pytest.mark.parametrize(
        ("text", "meaning"),
        [
            ("user:Sarah@acme.com", user("sarah@acme.com")),
            ('user:"Sarah Lin"', user("sarah lin")),
            ("USER:x", user("x")),
            ("user:a:b", user("a:b")),
            ("action:deployment.*", Equals("action", ("deployment.*",))),
            ("category:Users", Equals("category", ("users",))),
            ("category:p*", Equals("category", ("projects", "policies"))),
            ("status:FAILED", Equals("status", ("failed",))),
            ("resource:vpc-*", Equals("resource", ("vpc-*",))),
            ("type:project", Equals("resource_type", ("project",))),
            ("session:ses_1", Equals("session", ("ses_1",))),
            ("request:req_1", Equals("request", ("req_1",))),
            ("id:evt_01hm7q4g8e000000000000000z", Equals("id", ("evt_01hm7q4g8e000000000000000z",))),
            ("id:EVT_01HM*", Equals("id", ("evt_01hm*",))),
            ("ip:192.168.1.50", InNetwork((ip_network("192.168.1.50"),))),
            ("ip:10.0.0.7/8", InNetwork((ip_network("10.0.0.0/8"),))),
            ("ip:10.1.*", InNetwork((ip_network("10.1.0.0/16"),))),
            ("ip:2001:db8::/32", InNetwork((ip_network("2001:db8::/32"),))),
            ("ip:*", InNetwork((ip_network("::/0"),))),
            ("changes.error:encryption", AtPath("changes.error", ("encryption",))),
            ('metadata.Team.Name:"a b"', AtPath("metadata.team.name", ("a b",))),
            ("request.x:y", AtPath("request.x", ("y",))),
            ("response.status:4*", AtPath("response.status", ("4*",))),
            ("metadata.url:https://x", AtPath("metadata.url", ("https://x",))),
        ],
    )
    def test_a_qualifier_means(self, text: str, meaning: Condition) -> None:
        assert read(text) == meaning

    def test_a_repeated_qualifier_is_either_value(self) -> None:
        assert read("user:a status:failed user:b") == And((user("a", "b"), Equals("status", ("failed",))))
        assert read("ip:10.0.0.1 ip:10.0.0.2") == InNetwork((ip_network("10.0.0.1"), ip_network("10.0.0.2")))
        assert read("changes.x:a CHANGES.X:b") == AtPath("changes.x", ("a", "b"))

    def test_a_repeated_exclusion_excludes_both(self) -> None:
        assert read("-user:a -user:b") == And((Not(user("a")), Not(user("b"))))

    def test_groups_do_not_share_their_qualifiers(self) -> None:
        assert read("user:a OR user:b c") == Or((user("a"), And((user("b"), c))))
        assert read("(user:a) user:b") == And((user("a"), user("b")))

    def test_different_paths_are_both_wanted(self) -> None:
        assert read("changes.x:a changes.y:b") == And((AtPath("changes.x", ("a",)), AtPath("changes.y", ("b",))))


class TestTimes:
    def test_after_includes_and_before_excludes(self) -> None:
        first, last = at("2024-01-01T00:00:00Z"), at("2024-02-01T00:00:00Z")
        assert read("after:2024-01-01 before:2024-02-01") == And((Between(start=first), Between(end=last)))

    def test_on_is_a_whole_day(self) -> None:
        day = at("2024-01-15T00:00:00Z")
        assert read("on:2024-01-15") == read("on:today") == Between(day, day + DAY)
        assert read("on:yesterday") == Between(day - DAY, day)

    def test_a_day_is_one_of_its_zone_however_long(self) -> None:
        assert read("on:2024-03-31", "Europe/Berlin") == Between(at("2024-03-30T23:00:00Z"), at("2024-03-31T22:00:00Z"))

    def test_today_is_the_day_of_the_zone(self) -> None:
        assert read("on:today", "Pacific/Kiritimati") == Between(at("2024-01-15T10:00:00Z"), at("2024-01-16T10:00:00Z"))

    def test_repeated_days_are_either(self) -> None:
        day = at("2024-01-15T00:00:00Z")
        assert read("on:2024-01-15 on:2024-01-17") == Or(
            (Between(day, day + DAY), Between(day + 2 * DAY, day + 3 * DAY))
        )

    @pytest.mark.parametrize(
        ("text", "moment"),
        [
            ("2024-01-15T14:30:45.120Z", "2024-01-15T14:30:45.120Z"),
            ("2024-01-15t14:30z", "2024-01-15T14:30:00Z"),
            ("2024-01-15T14:30:45+02:00", "2024-01-15T12:30:45Z"),
            ("2024-01-15T14:30:45-0330", "2024-01-15T18:00:45Z"),
            ('"2024-01-15 14:30:45"', "2024-01-15T14:30:45Z"),
            ("24h", "2024-01-14T14:30:45Z"),
            ("90m", "2024-01-15T13:00:45Z"),
            ("1w", "2024-01-08T14:30:45Z"),
        ],
    )
    def test_a_time_may_be_written(self, text: str, moment: str) -> None:
        assert read(f"after:{text}") == Between(start=at(moment))

    def test_a_time_without_offset_is_of_the_zone(self) -> None:
        assert read("after:2024-07-01T12:00", "Europe/Berlin") == Between(start=at("2024-07-01T10:00:00Z"))

    @pytest.mark.parametrize(
        "value",
        ["2024-13-01", "2024-02-30", "2024-1-5", "15.01.2024", "2024-01-15T25:00:00Z", "2024-01-15T10:00:00+99:00",
         "soon", "7x", "99999999d", "0000-01-01", "9999-12-31", "2024", "１４d", "2024-01-15T14"],
    )  # fmt: skip
    def test_what_is_no_time_is_a_mistake_at_the_value(self, value: str) -> None:
        assert mistake(f"x after:{value}").extra["column"] == 9

    def test_times_that_leave_nothing_between_them_are_a_mistake(self) -> None:
        problem = mistake("x after:2024-01-15 before:2024-01-15")
        assert (problem.extra["column"], "on:2024-01-15" in problem.detail) == (20, True)

    def test_an_unknown_zone_is_a_bad_parameter(self) -> None:
        with pytest.raises(BadRequest) as caught:
            read("x", "Mars/Olympus")
        assert (caught.value.code, caught.value.extra["parameter"]) == ("bad_parameter", "tz")


class TestMistakes:
    @pytest.mark.parametrize(
        ("text", "column", "suggestion"),
        [
            ("usr:bob", 1, "user:bob"),
            ("a Actor:bob b", 3, "a user:bob b"),
            ("metadta.team:x", 1, "metadata.team:x"),
            ("chnges:x", 1, '"chnges:x"'),
            ("status:", 8, "status:failed"),
            ("status: OR", 8, "status:failed"),
            ('user:""', 6, "user:sarah@acme.com"),
            ("status:broken", 8, "status:failed"),
            ("status:failure", 8, "status:failed"),
            ("status:sucess", 8, "status:success"),
            ("category:deploy", 10, "category:deployments"),
            ("action:deploy", 8, "action:deploy*"),
            ("ip:300.1.1.1", 4, "ip:10.0.0.0/8"),
            ("ip:10.0.0.0/33", 4, "ip:10.0.0.0/8"),
            ("id:evt_abc123xyz", 4, "id:evt_*"),
            ("id:01hm7q4g8e", 4, "id:evt_*"),
            ("id:evt_01*2", 4, "id:evt_01*"),
            ("after:2024-1-5", 7, "after:2024-01-05"),
            ("on:7d", 4, "on:2024-01-15"),
            ("changes.:x", 1, "changes.error:x"),
            ("changes..x:y", 1, "changes.x:y"),
            ("user:()", 1, '"()"'),
            ('user:a"b"', 7, 'user:a "b"'),
            ("OR", 1, '"OR"'),
            ("a OR", 3, "a"),
            ("OR a", 1, "a"),
            ("a OR OR b", 3, "a  OR b"),
            ("(a OR) b", 4, "(a ) b"),
            ("a AND", 3, "a"),
            ("a AND OR b", 3, "a  OR b"),
            ("NOT", 1, '"NOT"'),
            ("NOT -a", 1, '"NOT"  -a'),
            ("-", 1, '"-"'),
            ("a - b", 3, 'a "-" b'),
            ("-OR", 1, '"-"'),
            ("(-)", 2, '("-")'),
            ("--auto-approve", 1, '"--auto-approve"'),
            ("(a", 1, "(a)"),
            ("a (", 3, 'a "("'),
            ("a)", 2, "a"),
            ("()", 1, '"()"'),
            ('"a b', 1, '"a b"'),
            ('"', 1, '"\\""'),
            ('""', 1, '"\\""'),
            ('a ""', 3, "a"),
            ('"a"b', 4, '"a" b'),
            ('a"b"', 2, 'a "b"'),
            ("a\0b", 2, "ab"),
            ("a\ud800", 2, "a"),
            ("x" * LONGEST + "yz", LONGEST + 1, "x" * LONGEST),
            ("a " * MOST_TERMS + "b", 2 * MOST_TERMS + 1, ("a " * MOST_TERMS).strip()),
            ("(" * (DEEPEST + 1) + "a" + ")" * (DEEPEST + 1), DEEPEST + 1, "(" * DEEPEST + "a" + ")" * DEEPEST),
            ("user:(sarah OR", 13, "user:(sarah)"),
        ],
    )  # fmt: skip
    def test_a_mistake_has_its_column_and_a_suggestion(self, text: str, column: int, suggestion: str) -> None:
        problem = mistake(text)
        assert (problem.code, problem.extra["column"], problem.extra["suggestion"]) == ("bad_query", column, suggestion)

    def test_an_unknown_qualifier_can_be_meant_as_text(self) -> None:
        detail = mistake("usr:bob").detail
        assert "Did you mean `user:`?" in detail
        assert '`"usr:bob"`' in detail

    def test_an_unknown_value_is_answered_with_the_known_ones(self) -> None:
        assert "success, failed" in mistake("status:broken").detail
        assert "authentication, users, projects" in mistake("category:x").detail

    def test_columns_count_characters(self) -> None:
        assert mistake("部署🎉 OR").extra["column"] == 5

    # Whatever is typed is read or answered, and what is suggested can be read.
    @given(st.lists(st.sampled_from((*PIECES, *WRITTEN)), max_size=12).map("".join))
    @settings(max_examples=400)
    def test_a_suggestion_can_be_read(self, text: str) -> None:
        problem = mistake_or_none(text)
        if problem is not None:
            assert 1 <= problem.extra["column"] <= len(text) + 1
            assert mistake_or_none(problem.extra["suggestion"]) is None


class TestNeedles:
    def test_wanted_words_are_marked_once_and_excluded_ones_are_not(self) -> None:
        assert needles(read("a -b (c OR a) changes.x:d user:e on:today")) == ("a", "c", "d")


def test_hostile_texts_are_answered_at_once() -> None:
    hostile = [
        '"' * LONGEST, "(" * LONGEST, "-" * LONGEST, "a:" * (LONGEST // 2), "user:" + "*" * 1990,
        "status:" + "*a" * 990, "category:" + "*" * 1900 + "z", "OR " * 600, '\\"' * 1000, '"' + "\\" * 1990,
    ]  # fmt: skip
    for text in hostile:
        began = time.process_time()
        mistake_or_none(text)
        assert time.process_time() - began < 0.5
