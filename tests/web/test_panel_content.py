"""User agents as text."""

import pytest

from tallystick.web.panel_content import user_agent_text

MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"  # noqa: E501
WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:121.0) Gecko/20100101 Firefox/121.0"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (MAC, "Chrome 120 on macOS"),
        (WINDOWS, "Firefox 121 on Windows 10"),
        ("Chrome/120.0", "Chrome 120"),
        ("curl/8.4.0", "curl 8"),
        ("our-own-agent/1.0", ""),
        ("<script>alert(1)</script>", ""),
        ("", ""),
        ("(" * 5000, ""),
    ],
)
def test_a_known_user_agent_is_shown_as_text(text, words):
    assert user_agent_text(text) == words
