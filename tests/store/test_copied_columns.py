"""Copied columns are compared with the parts: by the rules of the version that wrote them."""

import msgspec

from tallystick.events.record import Record
from tallystick.query.case_folding import fold
from tallystick.store.copied_columns import copies_expected, differing_columns
from tests.events.sending import SEEDS_EVENT, send_one

# In the order of the text for search of the first two versions of the table; the values in the details follow.
EARLIER_TEXT = (
    "action", "status", "description", "resource_name", "resource_id", "actor_email", "actor_name", "actor_id",
    "behalf_email", "behalf_name", "behalf_id", "ip_address",
)  # fmt: skip


def earlier_text(record: Record) -> str:
    return fold("\0".join((*(getattr(record, name) for name in EARLIER_TEXT), "\0".join(record.values))))


def earlier_record(**more: object) -> Record:
    return msgspec.structs.replace(send_one(**SEEDS_EVENT | more).record, severity="")


def test_the_text_for_search_of_an_earlier_version_is_what_the_parts_say():
    for record in (earlier_record(), earlier_record(changes={}, request={}, response={}, metadata={})):
        assert differing_columns(record, copies_expected(record) | {"search_text": earlier_text(record)}) == []


def test_an_altered_text_of_an_earlier_version_is_found():
    record = earlier_record()
    altered = earlier_text(record).replace("encryption", "encrypti0n")
    assert differing_columns(record, copies_expected(record) | {"search_text": altered}) == ["search_text"]


def test_a_text_of_this_version_has_all_fields():
    record = send_one(**SEEDS_EVENT).record
    assert differing_columns(record, copies_expected(record) | {"search_text": earlier_text(record)}) == ["search_text"]


def test_a_text_without_a_reason_that_the_parts_give_is_found():
    record = earlier_record(status_reason="no quota")
    assert differing_columns(record, copies_expected(record) | {"search_text": earlier_text(record)}) == ["search_text"]
