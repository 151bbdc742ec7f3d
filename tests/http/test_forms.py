"""A form that is posted is read within limits, and nothing of it is kept."""

import asyncio

import pytest
from litestar._parsers import parse_cookie_string, parse_query_string, parse_url_encoded_form_data

from tallystick.errors import BadRequest, TooLarge, Unavailable, UnsupportedMedia
from tallystick.http import forms
from tallystick.http.body import TooSlow
from tallystick.http.forms import MOST_BYTES, MOST_FIELDS, URL_ENCODED, read_form
from tests.http.receiving import allowance, request


def read(*chunks: bytes, content_type: str = URL_ENCODED, budget=None, **more):
    posted = request(*chunks, content_type=content_type, **more)
    return asyncio.run(read_form(posted, budget or allowance()))


def test_fields_come_as_they_were_typed_in_their_order_also_empty_and_repeated_ones():
    form = read(b"name=M%C3%BCller+%26+S", b"%C3%B6hne&event=1&event=2&note=")
    assert form["name"] == "Müller & Söhne"
    assert form.getall("event") == ["1", "2"]
    assert form["note"] == ""


def test_a_form_may_have_64_kib_and_not_a_byte_more():
    assert len(read(b"a=" + b"x" * (MOST_BYTES - 2))["a"]) == MOST_BYTES - 2
    with pytest.raises(TooLarge) as refusal:
        read(b"a=" + b"x" * (MOST_BYTES - 1))
    assert refusal.value.code == "form_too_large"


def test_a_form_that_says_that_it_is_larger_is_refused_before_it_is_read():
    with pytest.raises(TooLarge):
        read(ends=False, content_length=str(MOST_BYTES + 1))
    with pytest.raises(TooLarge):
        read(ends=False, content_length="9" * 5000)


def test_a_route_can_allow_more_for_long_texts():
    long = b"a=" + b"x" * (2 * MOST_BYTES)
    assert len(read(long, opt={"form_bytes": forms.LONG_FORM})["a"]) == 2 * MOST_BYTES


def test_a_form_has_a_bounded_number_of_fields():
    assert len(read(b"&".join([b"a="] * MOST_FIELDS)).getall("a")) == MOST_FIELDS
    with pytest.raises(TooLarge) as refusal:
        read(b"&".join([b"a="] * (MOST_FIELDS + 1)))
    assert refusal.value.code == "too_many_fields"


def test_a_form_that_does_not_arrive_in_time_is_given_up_and_frees_its_bytes(monkeypatch):
    monkeypatch.setattr(forms, "MOST_SECONDS", 0.01)
    budget = allowance(20)
    with pytest.raises(TooSlow):
        read(b"a=12345", ends=False, budget=budget)
    budget.take(20)


def test_bytes_of_forms_count_against_the_budget_that_all_bodies_share():
    budget = allowance(20)
    budget.take(10)
    with pytest.raises(Unavailable):
        read(b"a=123456789", budget=budget)
    assert read(b"a=1", budget=budget)["a"] == "1"
    budget.take(10)


def test_only_forms_of_browsers_are_read_as_forms():
    with pytest.raises(UnsupportedMedia):
        read(b"--x\r\n", content_type="multipart/form-data; boundary=x")
    with pytest.raises(UnsupportedMedia):
        read(b"{}", content_type="application/json")
    assert list(read(content_type="")) == []


def test_a_client_that_breaks_off_is_an_expected_error():
    with pytest.raises(BadRequest) as refusal:
        read(b"email=alice", gone=True)
    assert refusal.value.code == "disconnected"


def test_nothing_that_was_sent_stays_in_a_cache_of_the_framework():
    caches = (parse_url_encoded_form_data, parse_query_string, parse_cookie_string)
    before = [cache.cache_info().currsize for cache in caches]
    posted = request(b"password=correct+horse", content_type=URL_ENCODED, cookie="tallystick_sid=abc; other=1")
    posted.scope["query_string"] = b"next=%2Faudit-logs"
    assert asyncio.run(read_form(posted, allowance()))["password"] == "correct horse"
    assert posted.cookies["tallystick_sid"] == "abc"
    assert posted.query_params["next"] == "/audit-logs"
    assert [cache.cache_info().currsize for cache in caches] == before


def test_the_ways_of_the_framework_to_a_body_are_closed():
    posted = request(b"a=1", content_type=URL_ENCODED)
    for way in (posted.form, posted.body, posted.json, posted.msgpack):
        with pytest.raises(AssertionError):
            asyncio.run(way())
    with pytest.raises(AssertionError):
        posted.stream()


def test_an_address_has_a_bounded_number_of_parameters():
    asked = request()
    asked.scope["query_string"] = b"&".join([b"a"] * 1001)
    with pytest.raises(BadRequest) as refusal:
        _ = asked.query_params
    assert refusal.value.code == "too_many_parameters"
