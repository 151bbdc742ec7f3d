"""Schemas of actions: what is refused, what an event does not fit, and what checking may cost."""

import pytest

from tallystick.events.action_schema import MAX_MISMATCHES, MAX_SUBSCHEMAS, ActionSchema, SchemaProblem

PLAN = {
    "type": "object",
    "required": ["changes"],
    "properties": {
        "changes": {
            "properties": {"plan": {"$ref": "#/$defs/plan"}, "seats": {"type": "integer", "minimum": 1}},
            "additionalProperties": False,
        }
    },
    "$defs": {"plan": {"enum": ["free", "team"]}},
}


def doubling(times):
    """A small schema that is large once its references are followed."""
    names = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(times)}
    return {"$ref": "#/$defs/d0", "$defs": names | {f"d{times}": {"type": "object"}}}


@pytest.mark.parametrize(
    ("schema", "advice"),
    [
        ({"$ref": "https://example.com/schema.json"}, "can only point into the schema itself"),
        ({"properties": {"changes": {"$ref": "file:///etc/passwd"}}}, "can only point into the schema itself"),
        ({"$ref": "#/$defs/nothing"}, "points to nothing"),
        ({"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}, "refer to itself"),
        ({"$id": "https://example.com/"}, "`$id` is not supported"),
        ({"$dynamicRef": "#a"}, "`$dynamicRef` is not supported"),
        ({"uniqueItems": True}, "`uniqueItems` is not supported"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "`$schema` must be"),
        ({"type": "text"}, "not a JSON Schema"),
        ({"minimum": "3"}, "not a JSON Schema"),
        ({"properties": {"changes": []}}, "A schema is a JSON object"),
        ({"pattern": "(?=a)b"}, "pattern is not supported"),
        ({"pattern": "(a{1000}){1000}"}, "pattern is not supported"),
        ({"patternProperties": {"(": {}}}, "pattern is not supported"),
        ({"pattern": "a" * 201}, "at most 200 characters"),
        ({"title": "x" * 9_000}, "at most 8192 bytes"),
        (doubling(8), f"at most {MAX_SUBSCHEMAS} subschemas"),
    ],
)
def test_a_schema_that_could_not_be_checked_safely_is_refused_with_advice(schema, advice):
    with pytest.raises(SchemaProblem) as refused:
        ActionSchema(schema)
    assert advice in refused.value.detail


def test_a_deep_schema_is_refused():
    schema = {"type": "object"}
    for _ in range(30):
        schema = {"properties": {"a": schema}}
    with pytest.raises(SchemaProblem):
        ActionSchema(schema)


def test_an_event_that_fits_has_no_mismatch():
    assert ActionSchema(PLAN).mismatches({"changes": {"plan": "team", "seats": 5}, "metadata": {"x": 1}}) == []


def test_mismatches_name_the_place_and_never_the_value():
    found = ActionSchema(PLAN).mismatches({"changes": {"plan": "hunter2", "seats": "many"}})
    assert sorted(one.field for one in found) == ["changes.plan", "changes.seats"]
    assert not any("hunter2" in one.detail or "many" in one.detail for one in found)


def test_a_mismatch_says_what_is_missing():
    [one] = ActionSchema(PLAN).mismatches({})
    assert one.field == ""
    assert "changes" in one.detail


def test_only_some_of_many_mismatches_are_named():
    schema = ActionSchema({"properties": {"changes": {"additionalProperties": {"type": "integer"}}}})
    assert len(schema.mismatches({"changes": {f"k{n}": "text" for n in range(50)}})) == MAX_MISMATCHES


def test_the_cost_grows_with_the_schema_and_the_event():
    small, large = ActionSchema({"type": "object"}), ActionSchema({"allOf": [{"type": "object"}] * 50})
    assert large.cost(b"x" * 400) > 40 * small.cost(b"x" * 400)
    assert small.cost(b"x" * 40_000) > 40 * small.cost(b"x" * 400)
