"""The catalogue of one organization: the built-in actions, and its own descriptions of further ones."""

import re
from collections.abc import Collection, Iterable, Mapping
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import Any, Literal, get_args

import msgspec

from tallystick.events.action_schema import ActionSchema, SchemaProblem
from tallystick.events.catalogue import (
    CATALOGUE,
    Action,
    Category,
    Severity,
    Status,
    category_of,
    severity_of,
    status_of,
)
from tallystick.events.sentence_template import fixed_texts
from tallystick.query.case_folding import fold
from tallystick.query.conditions import And, AtPath, Condition, Contains, Equals, HasIdentifier, Not, Or, Query
from tallystick.query.own_records import IMPORTED, RESERVED
from tallystick.query.values import may_be_identifier, other_spellings

MIN_WORD = 4  # letters of a word that is looked for in sentences
MOST_KEPT_WORDS = 1_000
SchemaMode = Literal["warn", "refuse"]
SCHEMA_MODES: tuple[SchemaMode, ...] = get_args(SchemaMode)


class ActionDescription(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """An organization's description of one of its actions.

    `sentence` is a template (`sentence_template`), "" for none. `schema` is that of {"changes", "metadata"}, checked
    before by ActionSchema; events that do not fit are recorded with a warning in the answer, or refused: `mode`.
    """

    action: str
    category: Category
    status: Status
    severity: Severity
    sentence: str = ""
    description: str = ""
    schema: Mapping[str, Any] | None = None
    mode: SchemaMode = "warn"

    @cached_property
    def checked_schema(self) -> ActionSchema | None:
        """The schema, compiled at the first use; None also for one that is refused now, as an erasure may leave it."""
        try:
            return None if self.schema is None else ActionSchema(self.schema)
        except SchemaProblem:
            return None


class ActionCatalogue:
    """What is known of the actions of one organization. Immutable and thread-safe."""

    def __init__(self, own: Iterable[ActionDescription] = ()) -> None:
        self.own: Mapping[str, ActionDescription] = MappingProxyType({
            one.action: one for one in own if one.action not in CATALOGUE
        })  # fmt: skip
        self.has_schemas = any(one.schema is not None for one in self.own.values())
        self._actions_by_word: dict[str, tuple[str, ...]] = {}

    def find(self, action: str) -> Action | ActionDescription | None:
        """The built-in action or the organization's own description; None if the action is not known."""
        return CATALOGUE.get(action) or self.own.get(action)

    def defaults(self, action: str) -> tuple[Category, Status, Severity]:
        """Category, status and severity of events of this action that give none."""
        own = self.own.get(action)
        return _built_in_defaults(action) if own is None else (own.category, own.status, own.severity)

    def expand_query(self, query: Query) -> Query:
        """The query, with words that are also looked for in the sentences of actions and among ids."""
        condition = self.expand(query.condition)
        if condition == query.condition:
            return query
        return Query(condition, query.start, query.end, query.needles)

    def expand(self, condition: Condition) -> Condition:
        """The condition, except that a word or phrase also finds the events whose action's sentence has it, whose id,
        session, request, trace or external id it is, or that have it with letters composed in another way.

        Sentences are not stored: a word stands for the actions in whose fixed text it begins a word.
        """
        match condition:
            case Contains():
                named = self._named([condition])
                return Or((condition, *named)) if named else condition
            case AtPath(path, needles):
                spellings = [other for needle in needles for other in other_spellings(needle)]
                return AtPath(path, (*needles, *spellings)) if spellings else condition
            case Not(inner):
                return Not(self.expand(inner))
            case And(conditions):
                # Words that are excluded stay conjuncts of their own: they are matched together.
                excluded = [one.condition for one in conditions if isinstance(one, Not)]
                named = self._named([one for one in excluded if isinstance(one, Contains)])
                return And(
                    (*(one if _excludes_word(one) else self.expand(one) for one in conditions), *map(Not, named))
                )
            case Or(conditions):
                words = [one for one in conditions if isinstance(one, Contains)]
                others = (one if isinstance(one, Contains) else self.expand(one) for one in conditions)
                return Or((*others, *self._named(words)))
            case _:
                return condition

    def _named(self, words: Iterable[Contains]) -> list[Condition]:
        """The conditions by which events have any of the words without containing them: by the sentence of their
        action, an id, or another spelling."""
        needles = list(dict.fromkeys(word.needle for word in words))
        actions = tuple(dict.fromkeys(action for needle in needles for action in self.actions_with(needle)))
        found: list[Condition] = [Equals("action", actions, wildcards=False)] if actions else []
        if ids := tuple(needle for needle in needles if may_be_identifier(needle)):
            found.append(HasIdentifier(ids))
        return found + [Contains(other) for needle in needles for other in other_spellings(needle)]

    def actions_with(self, needle: str) -> tuple[str, ...]:
        """The actions whose sentence has the folded word or phrase, but whose name does not."""
        if len(needle) < MIN_WORD:
            return ()
        found = self._actions_by_word.get(needle)
        if found is None:
            begins_word = re.compile(rf"(?<!\w){re.escape(needle)}")
            # An event whose action has the needle in its name is found by its text anyway.
            found = tuple(
                action
                for action, text in self._texts
                if needle in text and needle not in action and begins_word.search(text)
            )
            if len(self._actions_by_word) >= MOST_KEPT_WORDS:
                self._actions_by_word.clear()
            self._actions_by_word[needle] = found
        return found

    def sentence_words(self, actions: Collection[str]) -> set[str]:
        """The words of the fixed texts of these actions' sentences, folded, that a search for a word finds them by."""
        return {
            word
            for action, text in self._texts
            if action in actions
            for word in re.findall(r"\w+", text)
            if len(word) >= MIN_WORD
        }

    @cached_property
    def _texts(self) -> list[tuple[str, str]]:
        """Each action with the fixed text of its sentence, folded; NUL, which is in no needle, separates stretches."""
        sentences = {one.action: one.sentence for one in CATALOGUE.values()}
        sentences |= {one.action: one.sentence for one in self.own.values() if one.sentence}
        sentences |= {IMPORTED + name: text for name, text in sentences.items() if name.startswith(RESERVED)}
        return [(name, fold("\0".join(fixed_texts(text)))) for name, text in sorted(sentences.items())]


def _excludes_word(condition: Condition) -> bool:
    return isinstance(condition, Not) and isinstance(condition.condition, Contains)


@lru_cache(maxsize=4096)
def _built_in_defaults(action: str) -> tuple[Category, Status, Severity]:
    return category_of(action), status_of(action), severity_of(action)


BUILT_IN = ActionCatalogue()
