"""JSON Schemas (draft 2020-12) of an organization's own actions, for an event's {"changes": …, "metadata": …}.

A schema comes from outside, so that what it may cost is bounded: its size, depth and number of subschemas with all
references followed, which may be local only and not recursive; keywords whose cost is not linear are refused; patterns
are matched in linear time and are small. What checking one event may cost is bounded by subschemas times values.
"""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, NamedTuple

import jsonschema_rs
import msgspec
from jsonschema_rs import Draft202012Validator, RegexOptions, ValidationError

MAX_SCHEMA_BYTES = 8 * 1024
MAX_SCHEMA_DEPTH = 20
MAX_SUBSCHEMAS = 200  # with references followed
MAX_PATTERNS = 20
MAX_PATTERN = 200  # characters
MAX_MISMATCHES = 5  # of one event that are named
# Units of about 0.1 µs. What an event costs at most holds the interpreter lock, and must not stop others for long.
MOST_COST_OF_EVENT = 1_000_000
MOST_COST_OF_REQUEST = 20_000_000
_COST_OF_CHARACTER = 10  # of a pattern, in the worst case
_BYTES_OF_VALUE = 4

_ANNOTATIONS = {"$schema", "$comment", "title", "description", "default", "examples", "deprecated", "format"}
_MAPS = {"properties", "patternProperties", "$defs"}  # name → schema
_LISTS = {"allOf", "anyOf", "oneOf", "prefixItems"}
_SINGLE = {"additionalProperties", "propertyNames", "items", "contains", "not", "if", "then", "else"}
_PLAIN = {
    "type", "enum", "const", "required", "minProperties", "maxProperties", "minItems", "maxItems", "minContains",
    "maxContains", "minLength", "maxLength", "pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
}  # fmt: skip
_KEYWORDS = _ANNOTATIONS | _MAPS | _LISTS | _SINGLE | _PLAIN | {"$ref"}
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_json = msgspec.json.Encoder().encode

Schema = Mapping[str, Any]


class Mismatch(NamedTuple):
    """A place of an event that does not fit the schema of its action: `field` is a path such as `changes.plan`."""

    field: str
    detail: str


class SchemaProblem(Exception):
    """`detail` says why a schema is refused and what to do; `place` is a path in it, "" for all of it."""

    def __init__(self, detail: str, place: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.place = place


class ActionSchema:
    """A checked schema. Raises SchemaProblem for one that is refused. Immutable and thread-safe."""

    def __init__(self, schema: Schema) -> None:
        if len(_json(schema)) > MAX_SCHEMA_BYTES:
            raise SchemaProblem(f"A schema can have at most {MAX_SCHEMA_BYTES} bytes. Shorten it.")
        self._patterns = 0
        self._subschemas = 0
        self._root = schema
        self._walk(schema, "", (), 0)
        self._schema = schema
        _ = self._validator

    @cached_property
    def _validator(self) -> Draft202012Validator:
        limits = RegexOptions(size_limit=12_000, dfa_size_limit=12_000)
        try:
            return Draft202012Validator(
                dict(self._schema), pattern_options=limits, offline=True, validate_formats=False, mask=ELLIPSIS_VALUE
            )
        except (ValidationError, jsonschema_rs.ReferencingError) as error:
            place = ".".join(map(str, getattr(error, "instance_path", ())))
            keyword = "pattern" if place.endswith("pattern") or "patternProperties" in place else ""
            raise SchemaProblem(_BAD_PATTERN if keyword else f"{_NOT_VALID} {error.message}.", place) from None

    def cost(self, instance: bytes) -> int:
        """What checking an instance with this JSON costs at most, in units of MOST_COST_OF_EVENT."""
        values = len(instance) // _BYTES_OF_VALUE + 1
        return self._subschemas * values + self._patterns * len(instance) * _COST_OF_CHARACTER

    def mismatches(self, instance: Mapping[str, Any]) -> list[Mismatch]:
        """The places that do not fit, at most MAX_MISMATCHES; no value of the event stands in them."""
        if self._validator.is_valid(instance):
            return []
        found = []
        for error in self._validator.iter_errors(instance):
            path = ".".join(map(str, error.instance_path))
            found.append(Mismatch(path, f"{error.message[:300].rstrip('.')}, says the schema of the action."))
            if len(found) >= MAX_MISMATCHES:
                break
        return found

    def _walk(self, schema: Any, place: str, followed: tuple[str, ...], depth: int) -> None:
        """Count a subschema and all below it, with references followed."""
        self._subschemas += 1
        if self._subschemas > MAX_SUBSCHEMAS:
            raise SchemaProblem(f"A schema can have at most {MAX_SUBSCHEMAS} subschemas, counted at each reference.")
        if depth > MAX_SCHEMA_DEPTH:
            raise SchemaProblem(f"Schemas can be nested at most {MAX_SCHEMA_DEPTH} deep.", place)
        if isinstance(schema, bool):
            return
        if not isinstance(schema, dict):
            raise SchemaProblem("A schema is a JSON object, or true or false.", place)
        for keyword in schema:
            if keyword not in _KEYWORDS:
                raise SchemaProblem(f"The keyword `{keyword[:40]}` is not supported. Leave it out.", place)
        if schema.get("$schema", _DIALECT) != _DIALECT:
            raise SchemaProblem(f"`$schema` must be {_DIALECT}, or be left out.", place)
        self._count_patterns(schema, place)
        for at, below in _subschemas(schema):
            self._walk(below, f"{place}.{at}" if place else at, followed, depth + 1)
        if "$ref" in schema:
            reference = schema["$ref"]
            if reference in followed:
                raise SchemaProblem("A schema cannot refer to itself.", place)
            self._walk(self._target(reference, place), place, (*followed, reference), depth + 1)

    def _count_patterns(self, schema: Schema, place: str) -> None:
        patterns = [*([schema["pattern"]] if "pattern" in schema else []), *schema.get("patternProperties", {})]
        self._patterns += len(patterns)
        if self._patterns > MAX_PATTERNS:
            raise SchemaProblem(f"A schema can have at most {MAX_PATTERNS} patterns, counted at each reference.")
        if any(isinstance(pattern, str) and len(pattern) > MAX_PATTERN for pattern in patterns):
            raise SchemaProblem(f"A pattern can have at most {MAX_PATTERN} characters. Shorten it.", place)

    def _target(self, reference: Any, place: str) -> Any:
        if not isinstance(reference, str) or not reference.startswith("#/"):
            raise SchemaProblem("`$ref` can only point into the schema itself, such as `#/$defs/plan`.", place)
        target: Any = self._root
        for key in reference[2:].split("/"):
            key = key.replace("~1", "/").replace("~0", "~")
            if not isinstance(target, dict) or key not in target:
                raise SchemaProblem(f"`$ref` points to nothing: {reference[:80]}.", place)
            target = target[key]
        return target


def _subschemas(schema: Schema) -> Iterator[tuple[str, Any]]:
    """The places and subschemas directly below a schema."""
    for keyword, value in schema.items():
        if keyword in _SINGLE:
            yield keyword, value
        elif keyword in _LISTS and isinstance(value, list):
            yield from ((f"{keyword}.{number}", one) for number, one in enumerate(value))
        elif keyword in _MAPS and isinstance(value, dict):
            yield from ((f"{keyword}.{name}", one) for name, one in value.items())


ELLIPSIS_VALUE = "The value"
_NOT_VALID = "This is not a JSON Schema (draft 2020-12):"
_BAD_PATTERN = (
    "This pattern is not supported or too large. Use a regular expression without look-around, back-references and "
    "large repetitions."
)
