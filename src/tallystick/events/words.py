"""Actors and resources of an event as people read them: one line each."""

from collections.abc import Mapping
from typing import Any

Part = Mapping[str, Any]


def actor_words(actor: Part) -> str:
    """`sarah@acme.com (usr_456) · Sarah Lin`: e-mail and id first, then the name and the type."""
    head = first_present(actor, "email", "name", "id")
    identity = actor.get("id", "")
    words = head if identity in ("", head) else f"{head} ({identity})"
    kind = str(actor.get("type", "")).replace("_", " ")
    rest = [text for text in (actor.get("name", ""), kind if kind != "user" else "") if text and text != head]
    return " · ".join([words, *rest]) if words else kind


def resource_words(resource: Part) -> str:
    """`api-infrastructure (prj_88) · project`: name and id, then the type."""
    head, identity = first_present(resource, "name", "id"), resource.get("id", "")
    words = head if identity in ("", head) else f"{head} ({identity})"
    return " · ".join(text for text in (words, resource.get("type", "")) if text)


def first_present(part: Part, *names: str) -> str:
    """The first of these keys that the part has a value for; "" for none."""
    return next((str(part[name]) for name in names if part.get(name)), "")
