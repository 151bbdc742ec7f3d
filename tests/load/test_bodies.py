"""Bodies made to be expensive: forms of strangers, and compressed bodies of many members."""

import gzip

import httpx
import pytest

from tests.fixtures.sizes import size
from tests.load.attack import REFUSALS, Siege

AT_ONCE = size(8, 32)
MEMBERS = size(50_000, 500_000)
FORM_BYTES = 9_900_000
BROWSER = {"Sec-Fetch-Site": "same-origin", "Content-Type": "application/x-www-form-urlencoded"}
EMPTY_ZSTD_FRAME = bytes.fromhex("28b52ffd2000010000")
SKIPPABLE_ZSTD_FRAME = bytes.fromhex("502a4d1800000000")


@pytest.mark.full_size
@pytest.mark.parametrize("path", ["/sign-in", "/exports", "/set-up/x"])
def test_forms_of_strangers_hold_up_nobody_and_leave_no_memory_behind(siege: Siege, path: str):
    content = b"a=&" * (FORM_BYTES // 3)

    def post(_client: httpx.Client, number: int) -> None:
        different = b"%09d" % number + content
        try:
            answer = httpx.post(siege.server.url + path, content=different, headers=BROWSER, timeout=60)
        except httpx.TransportError:
            return  # the server need not read the rest of what it refuses
        assert answer.status_code in (303, 404, 413, *REFUSALS), answer.text[:500]

    siege.withstand(post, at_once=AT_ONCE)


@pytest.mark.full_size
@pytest.mark.parametrize(
    ("encoding", "member"),
    [("gzip", gzip.compress(b"")), ("zstd", EMPTY_ZSTD_FRAME), ("zstd", SKIPPABLE_ZSTD_FRAME)],
    ids=["gzip", "zstd", "skippable zstd"],
)
def test_bodies_of_many_empty_members_hold_up_nobody(siege: Siege, encoding: str, member: bytes):
    content = member * min(MEMBERS, FORM_BYTES // len(member))

    def post(client: httpx.Client, _number: int) -> None:
        answer = client.post("/v1/audit-logs", content=content, headers={"Content-Encoding": encoding})
        assert (answer.status_code, answer.json()["code"]) in [(400, "bad_encoding"), (503, "overloaded")]

    siege.withstand(post, at_once=AT_ONCE)


@pytest.mark.full_size
@pytest.mark.parametrize(
    ("begin", "element", "end"),
    [
        (b'{"events":[', b"[]", b"]}"),
        (b'{"action":"a.b","metadata":{"a":[', b"[]", b"]}}"),
        (b'{"action":"a.b",', b'"resourc":1', b"}"),
    ],
    ids=["elements", "values of one event", "unknown fields"],
)
def test_bodies_of_millions_of_small_values_hold_up_nobody(siege: Siege, begin: bytes, element: bytes, end: bytes):
    content = begin + b",".join([element] * (FORM_BYTES // (len(element) + 1))) + end

    def post(client: httpx.Client, _number: int) -> None:
        for path in ("/v1/audit-logs", "/v1/alert-rules"):
            answer = client.post(path, content=content)
            assert answer.status_code in (400, 413, 422, 503), answer.text[:500]

    siege.withstand(post, at_once=AT_ONCE)


@pytest.mark.full_size
@pytest.mark.parametrize(
    "text",
    ["rules: [" + "x, " * 600_000 + "]", "rules: [" + "word " * 400_000 + "]", "rules: [" + "1:" * 900_000 + "1]"],
    ids=["values", "one long text", "one long number"],
)
def test_rule_files_of_two_megabytes_hold_up_nobody(siege: Siege, text: str):
    def post(client: httpx.Client, _number: int) -> httpx.Response | None:
        answer = client.post("/v1/alert-rules/import", content=text, headers={"Content-Type": "application/yaml"})
        return None if answer.status_code == 400 else answer

    siege.withstand(post, at_once=AT_ONCE)
