"""Latencies of finding over HTTP, one client, one request at a time."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

import httpx

Parameters = Sequence[tuple[str, str]]

# What an index or the key order serves: newest 50 within 60 ms is the aim.
SERVED: dict[str, Parameters] = {
    "newest": [],
    "status=failed": [("status", "failed")],
    "category": [("category", "deployments")],
    "action": [("action", "deployment.failed")],
    "action wildcard": [("action", "deployment.*")],
    "user": [("user", "sarah@acme.com")],
    "user wildcard": [("user", "sarah*")],
    "resource": [("resource", "api-infrastructure")],
    "resource_type": [("resource_type", "project")],
    "ip": [("ip", "192.168.1.50")],
    "ip network": [("ip", "192.168.0.0/16")],
    "date range": [("start", "-40d"), ("end", "-30d")],
    "all filters": [("user", "sarah@acme.com"), ("status", "success"), ("category", "projects"), ("start", "-60d")],
    "q=deploy": [("q", "deploy")],
    "q=failed": [("q", "failed")],
    "q=john@": [("q", "john@")],
    "q=vpc-prod": [("q", "vpc-prod")],
    "q=terraform apply": [("q", "terraform apply")],
    "q=deploy failed": [("q", "deploy failed")],
    "q=sarah OR john": [("q", "sarah OR john")],
    "q=Policy violation": [("q", '"Policy violation"')],
}
# What is looked for row by row: answered within a second, fully or in part.
SCANNED: dict[str, Parameters] = {
    "q=ab (two letters)": [("q", "ab")],
    "q=zq (two letters, nowhere)": [("q", "zq")],
    "q=-deploy": [("q", "-deploy")],
    "q=path": [("q", "changes.error:encryption")],
    "q=path, nowhere": [("q", "metadata.nothing:here")],
    "q=nowhere": [("q", "no-such-words-anywhere")],
    "q=short OR long": [("q", "zq OR encryption")],
    "exact count of a word": [("q", "deploy"), ("count", "exact")],
    "offset 10,000": [("offset", "10000")],
    "user nowhere": [("user", "nobody@example.com")],
    "recorded": [("order", "recorded"), ("after", "500000")],
}


@dataclass(frozen=True, slots=True)
class Measured:
    """Milliseconds of one query; `found` rows on the page, `partial` if the time was used up."""

    name: str
    p50: float
    p95: float
    found: int
    total: str
    partial: bool


def measure(client: httpx.Client, queries: dict[str, Parameters], *, rounds: int) -> list[Measured]:
    """Each query `rounds` times, the first not counted."""
    return [_one(client, name, parameters, rounds) for name, parameters in queries.items()]


def _one(client: httpx.Client, name: str, parameters: Parameters, rounds: int) -> Measured:
    now = time.time()
    given = [(key, _time(now, value) if key in ("start", "end") else value) for key, value in parameters]
    path = "/v1/audit-logs?" + urlencode(given)
    taken: list[float] = []
    body: dict[str, object] = {}
    for _ in range(rounds + 1):
        began = time.perf_counter()
        answer = client.get(path)
        taken.append((time.perf_counter() - began) * 1000)
        answer.raise_for_status()
        body = answer.json()
    counted = sorted(taken[1:])
    total = f"{body['total']} ({body['total_relation']})"
    found = body["data"]
    assert isinstance(found, list)
    return Measured(
        name, statistics.median(counted), counted[int(len(counted) * 0.95)], len(found), total, bool(body["partial"])
    )


def _time(now: float, ago: str) -> str:
    """`-40d` as a time."""
    seconds = now - int(ago.strip("-d")) * 86_400
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
