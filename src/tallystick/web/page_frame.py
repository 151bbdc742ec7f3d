"""What stands around every page: whose it is, who reads it, and the token its forms carry."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PageFrame:
    """`zone` is the organization's; `here` is the page that the navigation marks."""

    organization: str
    person: str
    role: str
    zone: str
    form_token: str
    here: str = "audit-logs"
