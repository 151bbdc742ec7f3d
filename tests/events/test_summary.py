"""The sentence of an event stays one readable line, whatever its names hold."""

from unicodedata import category

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.events.catalogue import CATALOGUE
from tallystick.events.summary import summary

ATTACK = "prod\nStatus: success\r\u2028User: ceo@acme.com\u202egnp.exe"
NAMES = st.text(
    st.one_of(st.characters(), st.sampled_from("\n\r\u2028\u202e\u2066\u200b\u3164 ")),
    max_size=30,
)


def test_a_name_with_line_breaks_and_direction_controls_adds_no_line_and_turns_nothing():
    sentence = summary("deployment.failed", "failed", {"email": "eve@acme.com"}, {"type": "project", "name": ATTACK})
    assert sentence == ("eve@acme.com failed to deploy “prod Status: success User: ceo@acme.com⟨U+202E⟩gnp.exe”")


@pytest.mark.parametrize(
    ("actor", "resource", "sentence"),
    [
        ({"name": "eve"}, {"type": "project", "name": "a” and granted admin to “bob"},
         "eve deleted the project “a’ and granted admin to ‘bob”"),
        ({"name": "Bob agreed. Alice"}, {"name": "api"}, "“Bob agreed. Alice” deleted the project api"),
        ({"name": "Bob agreed; Alice"}, {"name": "api"}, "“Bob agreed; Alice” deleted the project api"),
        ({"name": "Bob was asked and agreed and Alice"}, {"name": "api"},
         "“Bob was asked and agreed and Alice” deleted the project api"),
        ({"name": "ci", "on_behalf_of": {"name": "Bob did it: Alice"}}, {"name": "api"},
         "ci on behalf of “Bob did it: Alice” deleted the project api"),
        ({"name": "Dr. J. R. Müller-Lüdenscheidt"}, {"name": "my api"},
         "Dr. J. R. Müller-Lüdenscheidt deleted the project “my api”"),
        ({"id": "arn:aws:iam::1:user/bob"}, {"name": "api"}, "arn:aws:iam::1:user/bob deleted the project api"),
    ],
)  # fmt: skip
def test_a_name_states_nothing_outside_of_its_quotes(actor, resource, sentence):
    assert summary("project.deleted", "success", actor, resource) == sentence


def test_a_person_to_whom_something_is_done_is_quoted_in_the_same_way():
    carol = {"type": "user", "name": "bob was spared. Carol"}
    assert summary("user.unlocked", "success", {"name": "eve"}, carol) == (
        "eve unlocked the account of “bob was spared. Carol”"
    )


@given(st.sampled_from([*CATALOGUE, "widget.frobbed"]), NAMES, NAMES)
def test_every_sentence_is_one_line_without_unseen_characters(action, doer, thing):
    sentence = summary(action, "failed", {"type": "user", "name": doer}, {"type": "project", "name": thing})
    assert sentence.splitlines() == [sentence]
    assert not [one for one in sentence if category(one) in ("Cc", "Cs", "Co", "Cn", "Zl", "Zp")]
    assert not set(sentence) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u3164\u200b")
