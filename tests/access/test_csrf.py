"""Requests that another site makes a browser send."""

import pytest

from tallystick.access.csrf import check_form_token, form_token, refuse_cross_site
from tallystick.access.secret import new_token
from tallystick.errors import Forbidden

PUBLIC = "https://audit.example.com"


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "none"},
        {"sec-fetch-site": "same-origin", "origin": "null"},
        {"sec-fetch-site": "same-origin", "origin": "https://audit.example.com", "host": "internal:8765"},
        {"sec-fetch-site": "same-origin", "origin": "http://127.0.0.1:8765", "host": "127.0.0.1:8765"},
        {"origin": "https://audit.example.com", "host": "internal:8765"},
        {"origin": "http://127.0.0.1:8765", "host": "127.0.0.1:8765"},
    ],
)
def test_a_request_from_our_own_pages_passes(headers):
    refuse_cross_site("POST", headers, PUBLIC)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-origin", "origin": "https://evil.example.com", "host": "audit.example.com"},
        {"sec-fetch-site": "none", "origin": "https://evil.example.com", "host": "audit.example.com"},
        {"sec-fetch-site": "same-origin", "origin": "http://[", "host": "audit.example.com"},
        {"sec-fetch-site": "same-site", "origin": "https://audit.example.com"},
        {"origin": "https://evil.example.com", "host": "audit.example.com"},
        {"origin": "http://audit.example.com", "host": "internal:8765"},
        {"origin": "https://audit.example.com.evil.org", "host": "audit.example.com"},
        {"origin": "https://audit.example.com:444", "host": "audit.example.com"},
        {"origin": "null", "host": "null"},
        {"origin": "", "host": ""},
        {"origin": "file://audit.example.com", "host": "audit.example.com"},
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "BREW"])
def test_an_unsafe_request_from_elsewhere_is_refused(method, headers):
    with pytest.raises(Forbidden) as refusal:
        refuse_cross_site(method, headers, PUBLIC)
    assert refusal.value.code == "cross_site"


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_a_link_from_elsewhere_may_be_followed(method):
    refuse_cross_site(method, {"sec-fetch-site": "cross-site"}, PUBLIC)


def test_a_form_carries_the_token_of_its_session():
    session = new_token()
    check_form_token(session, form_token(session))


@pytest.mark.parametrize("given", [None, "", "x", "é", "\ud800"])
def test_a_form_without_the_token_is_refused(given):
    with pytest.raises(Forbidden) as refusal:
        check_form_token(new_token(), given)
    assert refusal.value.code == "bad_form_token"


def test_the_token_of_another_session_is_refused():
    with pytest.raises(Forbidden):
        check_form_token(new_token(), form_token(new_token()))


def test_the_token_does_not_give_the_session_away():
    session = new_token()
    assert session not in form_token(session)
