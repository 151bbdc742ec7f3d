"""A browser is remembered by a cookie that only this server can write."""

import pytest

from tallystick.access import remembered_device
from tallystick.access.remembered_device import REMEMBERED_US
from tallystick.secret_keys import SecretKeys

SECRET_KEY, NOW = "s" * 32, 1_700_000_000_000_000


def read(cookie: str, *, secret_key: str = SECRET_KEY, now: int = NOW):
    return remembered_device.read_cookie(SecretKeys(secret_key), cookie, now)


def test_a_browser_is_remembered_for_one_account():
    device = read(remembered_device.new_cookie(SecretKeys(SECRET_KEY), "bob@acme.com", NOW))
    assert device is not None
    assert device.is_of("bob@acme.com")
    assert not device.is_of("eve@acme.com")


def test_each_browser_is_another_one():
    one, other = (read(remembered_device.new_cookie(SecretKeys(SECRET_KEY), "bob@acme.com", NOW)) for _ in range(2))
    assert one is not None
    assert other is not None
    assert one.device_id != other.device_id


def test_a_browser_is_remembered_for_ninety_days():
    cookie = remembered_device.new_cookie(SecretKeys(SECRET_KEY), "bob@acme.com", NOW)
    assert read(cookie, now=NOW + REMEMBERED_US - 1) is not None
    assert read(cookie, now=NOW + REMEMBERED_US) is None


@pytest.mark.parametrize("cookie", ["", "x", "é", "A" * 92, "\ud800"])
def test_what_is_no_cookie_is_nobodys(cookie: str):
    assert read(cookie) is None


def test_a_cookie_that_was_changed_or_signed_elsewhere_is_nobodys():
    cookie = remembered_device.new_cookie(SecretKeys(SECRET_KEY), "bob@acme.com", NOW)
    assert read(cookie, secret_key="t" * 32) is None
    assert all(read(cookie[:at] + ("A" if cookie[at] != "A" else "B") + cookie[at + 1 :]) is None for at in range(60))


def test_the_cookie_does_not_say_whose_it_is():
    assert "bob" not in remembered_device.new_cookie(SecretKeys(SECRET_KEY), "bob@acme.com", NOW)
