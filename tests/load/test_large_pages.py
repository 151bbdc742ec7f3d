"""Pages of a thousand of the largest events, in both orders, as many at once as the attacker can ask for."""

import pytest

from tests.fixtures.sizes import size
from tests.load.attack import Siege

EVENTS = size(300, 1_500)
AT_ONCE = size(8, 24)
BYTES = 60_000


@pytest.mark.full_size
def test_pages_of_large_events_neither_hold_up_recording_nor_fill_the_memory(siege: Siege):
    siege.record_events(EVENTS, batch=100, metadata={"number": "{n}", "text": "0123456789 " * (BYTES // 11)})

    def read_page(client, number):
        order = ("desc", "recorded", "asc")[number % 3]
        return client.get("/v1/audit-logs", params={"limit": 1000, "order": order, "count": "none"})

    siege.withstand(read_page, at_once=AT_ONCE)
