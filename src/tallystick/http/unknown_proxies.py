"""Notices proxies that the operator did not name: in the server's log, and in a file for `tallystick doctor`."""

import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import structlog

FILE = "unknown_proxies.json"
MOST = 100
NOTED_SECONDS = 3600.0
SHOWN_SECONDS = 86_400.0

logger = structlog.get_logger(__name__)


class UnknownProxies:
    """Peers that send X-Forwarded-For and are no trusted proxies: at most 100, each noted once an hour."""

    def __init__(self, data_dir: Path, now: Callable[[], float] = time.time) -> None:
        self._path = data_dir / FILE
        self._now = now
        self._seen: dict[str, float] = {}

    def note(self, peer: str) -> None:
        """Note that a request of this address had the header."""
        now = self._now()
        if now - self._seen.get(peer, -NOTED_SECONDS) < NOTED_SECONDS:
            return
        if len(self._seen) >= MOST:
            self._seen = {one: at for one, at in self._seen.items() if now - at < NOTED_SECONDS}
        if len(self._seen) >= MOST:
            return
        self._seen[peer] = now
        logger.warning(
            "unknown_proxy",
            peer=peer,
            advice="It sends X-Forwarded-For. If it is your proxy, add it to TALLYSTICK_TRUSTED_PROXIES.",
        )
        try:
            content = recent_peers(self._path.parent, now) | {peer: now}
            newest = dict(sorted(content.items(), key=lambda item: -item[1])[:MOST])
            # Not forced to the disk, since all requests would wait for it: a power cut may lose what is noted again.
            unfinished = self._path.with_suffix(".new")
            unfinished.write_bytes(msgspec.json.encode(newest))
            unfinished.replace(self._path)
        except OSError as error:
            logger.warning("unknown_proxy_not_kept", error=str(error))


def recent_peers(data_dir: Path, now: float) -> dict[str, float]:
    """The peers of the last day by when they were noted, in seconds since 1970."""
    try:
        seen = msgspec.json.decode((data_dir / FILE).read_bytes(), type=dict[str, float])
    except (OSError, msgspec.MsgspecError):
        return {}
    return {peer: at for peer, at in seen.items() if now - at < SHOWN_SECONDS}
