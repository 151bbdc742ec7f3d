"""The sentence of an event, for people."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from tallystick.display_text import display_line
from tallystick.events.action_catalogue import BUILT_IN, ActionCatalogue
from tallystick.events.sentence_template import BLANK, NOT_GIVEN, value_text
from tallystick.query.own_records import IMPORTED, RESERVED

# In a template {actor} and {resource} stand for names, {subject} for the resource or else the actor; a path in the
# sentence of an organization's own action for a value. A mere `{resource}` vanishes without a resource.
_OWN = "their account"
_ANYONE = {
    "user": "someone",
    "agent": "an agent",
    "api_key": "an API key",
    "service_account": "a service account",
    "system": "the system",
    "anonymous": "someone unknown",
    "support": "support",
}

_PEOPLE = ("user", "member", "person", "customer")

MAX_NAME_WORDS = 5  # a name of more words is quoted
_SENTENCE = re.compile(r"[;:!?“”„]|\w{4}\. ")  # but not the full stop of an initial, or of Dr. and Mrs.
_SINGLE_QUOTES = str.maketrans("“”„", "‘’‚")

Named = Mapping[str, Any]
_NONE: Named = MappingProxyType({})


def summary(
    action: str,
    status: str,
    actor: Named,
    resource: Named,
    others: int = 0,
    *,
    catalogue: ActionCatalogue = BUILT_IN,
    details: Named = _NONE,
) -> str:
    """The catalogue's sentence with the names filled in (`Sarah Lin failed to deploy api-infrastructure`).

    For other actions `john did widget.frobbed on X`. `resource` is the first, empty if there is none, and `others` the
    number of further ones; `details` holds `changes` and the like, whose values an organization's own sentence may
    show. Names and values are shown as `display_line`: the sentence is for people, and the fields of the event keep
    what was sent.
    """
    known = catalogue.find(action)
    if action.startswith(IMPORTED + RESERVED):
        return f"Imported record: {summary(action.removeprefix(IMPORTED), status, actor, resource, others)}"
    sentence = known.sentence if known else ""
    sentence = sentence or f"{{actor}} did {action}" + (" on {resource}" if _name(resource) else "")
    written = template_summary(sentence, actor, resource, details, others)
    says_so = known is not None and known.status == "failed"
    return written if status != "failed" or says_so else f"{written} (failed)"


def template_summary(sentence: str, actor: Named, resource: Named, details: Named, others: int = 0) -> str:
    """The template of a sentence, filled in; as for `summary`."""
    doer, thing = _actor(actor), _name(resource)
    # So that one sees where the name of a thing ends; people are known by two words.
    named = quote_name(thing) if resource.get("type") in _PEOPLE else _quoted(thing) if " " in thing else thing
    if others and named:
        named += f" and {others} more"
    themselves = bool(thing) and thing in (actor.get("id"), actor.get("email"), actor.get("name"))

    def fill(blank: re.Match[str]) -> str:
        without = blank["without"]
        if "." in blank["name"]:
            words = _value(details, blank["name"]) or (NOT_GIVEN if without is None else without)
        elif blank["name"] == "actor" or (blank["name"] == "subject" and not thing):
            words = doer
        elif thing and not (themselves and without == _OWN):
            words = named
        else:
            words = without or ""
        space = " " if words and blank[0].startswith(" ") else ""
        return space + words

    written = BLANK.sub(fill, sentence)
    if doer in _ANYONE.values() and written.startswith(doer):
        written = written[0].upper() + written[1:]
    return written


def _value(details: Named, path: str) -> str:
    return quote_name(value_text(details, path))


def _actor(actor: Named) -> str:
    doer = quote_name(_name(actor)) or _ANYONE.get(actor.get("type", ""), "someone")
    behalf = actor.get("on_behalf_of")
    return f"{doer} on behalf of {quote_name(_name(behalf)) or 'someone'}" if behalf else doer


def quote_name(name: str) -> str:
    """The name as it stands in a sentence: in quotes if it could be read as words of it (`Bob agreed. Alice`)."""
    words = name.count(" ") + 1
    return _quoted(name) if words > MAX_NAME_WORDS or (words > 1 and _SENTENCE.search(name)) else name


def _quoted(name: str) -> str:
    """The name in quotes, which nothing in it closes."""
    return f"“{name.translate(_SINGLE_QUOTES)}”"


def _name(named: Named) -> str:
    """A name as people read it, on one line."""
    return display_line(str(named.get("name") or named.get("email") or named.get("id") or ""))
