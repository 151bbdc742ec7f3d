"""Which texts may stand in the fields of an event's context."""

from functools import lru_cache
from ipaddress import ip_address


@lru_cache(maxsize=1024)
def is_country(code: str) -> bool:
    """Whether the text is empty or has two letters, as the codes of ISO 3166-1 do."""
    return not code or (len(code) == 2 and code.isascii() and code.isalpha())


@lru_cache(maxsize=4096)
def is_address(text: str) -> bool:
    """Whether the text is empty or an IPv4 or IPv6 address without a zone."""
    if not text:
        return True
    try:
        ip_address(text)
    except ValueError:
        return False
    return "%" not in text
