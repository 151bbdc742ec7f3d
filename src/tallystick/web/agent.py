"""A user agent in words: `Chrome 120 on macOS`."""

from functools import lru_cache

from ua_parser import parse

MOST_READ = 512
_SYSTEMS = {"Mac OS X": "macOS"}


@lru_cache(maxsize=4096)
def agent_words(text: str) -> str:
    """The browser or client with its version, and the system; "" when neither is known."""
    read = parse(text[:MOST_READ])
    agent, system = read.user_agent, read.os
    client = " ".join(filter(None, (agent.family, agent.major))) if agent and agent.family != "Other" else ""
    known = system.family if system and system.family != "Other" else ""
    where = _SYSTEMS.get(known, known)
    if where and system and where not in ("macOS", "Linux") and system.major:
        where += f" {system.major}"
    return " on ".join(filter(None, (client, where)))
