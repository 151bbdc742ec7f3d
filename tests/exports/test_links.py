"""A link leads to one export until its time, and nothing that looks like one does."""

from uuid import uuid4

import pytest

from tallystick.errors import NotFound
from tallystick.exports import links

ORG, EXPORT = uuid4(), uuid4()
UNTIL = 2_000_000_000 * 1_000_000


def test_a_link_leads_to_its_export_until_its_time():
    token = links.make_link("secret", ORG, EXPORT, UNTIL)
    assert links.read_link("secret", token, now=UNTIL - 1_000_000) == (ORG, EXPORT)
    with pytest.raises(NotFound) as over:
        links.read_link("secret", token, now=UNTIL)
    assert over.value.code == "link_over"


def test_no_letter_of_a_link_can_be_changed():
    token = links.make_link("secret", ORG, EXPORT, UNTIL)
    for place in range(len(token)):
        for letter in "Aa0_":
            if token[place] != letter:
                changed = token[:place] + letter + token[place + 1 :]
                with pytest.raises(NotFound, match="not valid"):
                    links.read_link("secret", changed, now=0)


@pytest.mark.parametrize("text", ["", "x", "é" * 20, "=" * 96, "A" * 96, "A" * 10_000])
def test_what_is_no_link_is_none(text):
    with pytest.raises(NotFound, match="not valid"):
        links.read_link("secret", text, now=0)


def test_another_server_signs_other_links():
    with pytest.raises(NotFound):
        links.read_link("other", links.make_link("secret", ORG, EXPORT, UNTIL), now=0)
