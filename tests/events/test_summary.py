"""The sentence of an event stays one readable line, whatever its names hold."""

from unicodedata import category

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


@given(st.sampled_from([*CATALOGUE, "widget.frobbed"]), NAMES, NAMES)
def test_every_sentence_is_one_line_without_unseen_characters(action, doer, thing):
    sentence = summary(action, "failed", {"type": "user", "name": doer}, {"type": "project", "name": thing})
    assert sentence.splitlines() == [sentence]
    assert not [one for one in sentence if category(one) in ("Cc", "Cs", "Co", "Cn", "Zl", "Zp")]
    assert not set(sentence) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u3164\u200b")
