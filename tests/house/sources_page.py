"""The page that says where the facts of other audit logs go, from the tables that are tested."""

from collections.abc import Iterator

from tests.house.tables import NOTE, table
from tests.sources.every_source import CLOUDTRAIL, SOURCES
from tests.sources.mapping import FieldRule, ResourceRule, SourceTable


def sources_page() -> str:
    """docs/guides/sources.md"""
    sections = "\n".join(map(_section, SOURCES))
    return f"""# Where the facts of other audit logs go

{NOTE}
An event has a home for what other audit logs say: who acted and for whom, every target, outcome and reason, where from,
how the actor signed in and with which credential. This page says for eleven of them which value becomes which field of
[the event](../reference/event.md), so that it is found by its [qualifier](../reference/search.md) whatever its source.
For each, ten records written after the source's documentation are recorded and searched for in the tests. Use the
tables when you send these logs; `tallystick import` reads CloudTrail [by itself](import.md).

A place within the entries of a list is written `target[].id`, and `[]` alone means the first entry. Of several places,
the first that has a value counts. Everything that no row names becomes `metadata` under its own name, so that nothing
is lost, and is found there by its path: `metadata.securityContext.isProxy:true`.

{sections}
## What stays in metadata, and why

An event has no field for these. They stay as the source wrote them.

{table(("why", "for example"), list(_reasons()))}"""


def _section(source: SourceTable) -> str:
    links = ", ".join(f"[{title}]({address})" for title, address in source.documentation)
    moved = {place for rule in source.fields if not rule.keeps for place in rule.places.split(" | ")}
    rows = [(_places(rule.places), f"`{rule.name}`", _words(rule, moved)) for rule in source.fields]
    rows += [(_resource_places(rule), "`resources`", _resource_words(rule)) for rule in source.resources]
    kept = ", ".join(f"`{place}`" for place in sorted(source.kept))
    return f"""## {source.title}

After {links}.

{table(("in the record", "in the event", ""), rows)}
In `metadata`: {kept.replace(chr(92), "")}.
"""


def _places(places: str) -> str:
    return ", ".join(f"`{place}`" for place in places.replace("\\", "").split(" | ") if place)


def _words(rule: FieldRule, moved: set[str]) -> str:
    stays = rule.keeps and rule.places and not moved.intersection(rule.places.split(" | "))
    return "; ".join(filter(None, (rule.words, "stays in `metadata` too" if stays else "")))


def _resource_places(rule: ResourceRule) -> str:
    places = [place for name in (rule.id, rule.name) for place in name.split(" | ") if place]
    return ", ".join(f"`{rule.within}[].{place}`" if rule.within else f"`{place}`" for place in places)


def _resource_words(rule: ResourceRule) -> str:
    named = [
        f"{name} " + " or ".join(f"`{place.removeprefix('=')}`" for place in value.split(" | "))
        for name, value in (("type", rule.type), ("role", rule.role))
        if value
    ]
    return ", ".join(named)


def _reasons() -> Iterator[tuple[str, str]]:
    reasons = dict.fromkeys(reason for source in SOURCES if source is not CLOUDTRAIL for reason in source.kept.values())
    for reason in reasons:
        examples = [
            f"{source.title}: " + ", ".join(f"`{place}`".replace("\\", "") for place in found[:2])
            for source in SOURCES
            if (found := [place for place, why in source.kept.items() if why == reason])
        ]
        yield reason, "; ".join(examples[:4])
