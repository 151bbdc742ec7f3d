"""Realistic events for measuring: the demo organization's year, as request bodies."""

from collections.abc import Iterator
from itertools import islice

import msgspec

from tallystick import clock
from tallystick.demo.events import acme_events

_encoder = msgspec.json.Encoder()


def events(count: int) -> Iterator[bytes]:
    """`count` events as JSON, in the order of time, without external ids: most senders have none."""
    for event in islice(acme_events(now_us=clock.now_us(), count=count + count // 20 + 2000), count):
        yield _encoder.encode({name: value for name, value in event.items() if name != "external_id"})


def bodies(sent: list[bytes], size: int) -> list[bytes]:
    """The events as request bodies of `size` events each."""
    if size == 1:
        return sent
    return [b'{"events":[' + b",".join(sent[start : start + size]) + b"]}" for start in range(0, len(sent), size)]
