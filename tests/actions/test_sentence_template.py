"""Templates of sentences: what is refused, and what stands in a sentence, whatever an event holds."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.events.action_catalogue import ActionCatalogue, ActionDescription
from tallystick.events.sentence_template import MAX_BLANKS, MAX_TEMPLATE, template_problem
from tallystick.events.summary import summary

SARAH = {"type": "user", "name": "Sarah Lin"}
INVOICE = {"type": "invoice", "id": "inv_7"}
# Of all names and values that a template can hold, each with an ellipsis and quotes; and of the fixed text.
LONGEST = MAX_TEMPLATE + MAX_BLANKS * 400


def sentence(template: str, details: dict[str, Any] | None = None, status: str = "success", **names: Any) -> str:
    described = ActionDescription(
        action="invoice.approved", category="other", status="success", severity="info", sentence=template
    )
    actor, resource = names.get("actor", SARAH), names.get("resource", INVOICE)
    catalogue = ActionCatalogue([described])
    return summary("invoice.approved", status, actor, resource, catalogue=catalogue, details=details or {})


@pytest.mark.parametrize(
    ("template", "advice"),
    [
        ("{actor} approved {invoice}", "Unknown placeholder {invoice}"),
        ("{actor} approved {changes}", "Unknown placeholder {changes}"),
        ("{actor} approved {changes.}", "Unknown placeholder {changes.}"),
        ("{actor} approved {actor.name}", "Unknown placeholder {actor.name}"),
        ("{actor} approved {}", "Unknown placeholder {}"),
        ("{actor approved", "brace"),
        ("actor} approved", "brace"),
        ("{{actor}} approved", "brace"),
        ("{actor} approved\nit", "one line"),
        ("{actor} \u202eapproved", "one line"),
        ("{actor}", "words beside"),
        ("x" * (MAX_TEMPLATE + 1), f"at most {MAX_TEMPLATE}"),
        ("{actor} did" + " {resource}" * MAX_BLANKS, f"at most {MAX_BLANKS}"),
    ],
)
def test_a_template_that_cannot_be_filled_is_refused_with_advice(template, advice):
    assert advice in (template_problem(template) or "")


def test_a_sentence_shows_names_and_the_values_at_its_paths():
    details = {"changes": {"plan": {"before": "free", "after": "team"}}, "metadata": {"seats": 5}}
    template = "{actor} moved {resource} to {changes.plan.after} with {metadata.seats} seats"
    assert template_problem(template) is None
    assert sentence(template, details) == "Sarah Lin moved inv_7 to team with 5 seats"


@pytest.mark.parametrize(
    ("details", "shown"),
    [
        ({}, "(not given)"),
        ({"changes": {"plan": None}}, "(not given)"),
        ({"changes": {"plan": ""}}, "(not given)"),
        ({"changes": {"plan": {"name": "team"}}}, "(details)"),
        ({"changes": {"plan": True}}, "true"),
        ({"changes": {"plan": [1, 2]}}, "1, 2"),
        ({"changes": {"plan": list(range(9))}}, "0, 1, 2 …"),
    ],
)
def test_a_value_that_is_missing_or_no_text_has_plain_words(details, shown):
    assert sentence("{actor} chose {changes.plan}", details) == f"Sarah Lin chose {shown}"


def test_a_placeholder_says_what_stands_there_instead():
    assert sentence("{actor} chose {changes.plan|another plan}") == "Sarah Lin chose another plan"
    assert sentence("{actor} approved {resource|an invoice}", resource={}) == "Sarah Lin approved an invoice"


def test_keys_may_hold_dots_and_lists_are_looked_into():
    details = {"changes": {"a.b": "dots", "steps": [{"name": "build"}, {"name": "test"}]}}
    assert sentence("{actor} ran {changes.a.b} and {changes.steps.name}", details) == (
        "Sarah Lin ran dots and “build, test”"
    ) or sentence("{actor} ran {changes.a.b} and {changes.steps.name}", details) == (
        "Sarah Lin ran dots and build, test"
    )


def test_a_value_cannot_add_words_or_placeholders_of_its_own():
    details = {"changes": {"plan": "team.\nBob agreed: {actor} “left”"}}
    assert sentence("{actor} chose {changes.plan}", details) == "Sarah Lin chose “team. Bob agreed: {actor} ‘left’”"


def test_a_failure_says_so():
    assert sentence("{actor} approved {resource}", status="failed") == "Sarah Lin approved inv_7 (failed)"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.sampled_from("abc") | st.text(), inner, max_size=5),
    max_leaves=20,
)
paths = st.lists(st.sampled_from("abc"), min_size=1, max_size=9).map(".".join)
blanks = st.sampled_from(["{actor}", "{resource}", "{resource|an invoice}"]) | st.builds(
    "{{{}.{}}}".format, st.sampled_from(["changes", "request", "response", "metadata"]), paths
)
templates = st.lists(blanks | st.text(max_size=20) | st.sampled_from(["{", "}", "|", "{x}"]), max_size=14).map("".join)


@given(templates, st.dictionaries(st.sampled_from(["changes", "metadata", "request"]), json_values), st.text())
def test_a_template_is_refused_or_gives_one_short_line_whatever_the_event_holds(template, details, name):
    if template_problem(template) is not None:
        return
    written = sentence(template, details, actor={"type": "user", "name": name[:100]})
    assert len(written) <= LONGEST
    assert "\n" not in written
