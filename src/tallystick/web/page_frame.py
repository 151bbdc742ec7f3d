"""What stands around every page: where one can go, whose it is, who reads it, and the token its forms carry."""

from dataclasses import dataclass, replace

# The pages of Settings: a name, where it is, what it is called. One more page is one more line.
NAVIGATION = (
    ("audit-logs", "/audit-logs", "Audit Logs"),
    ("cases", "/cases", "Cases"),
    ("exports", "/exports", "Exports"),
    ("alerts", "/alerts", "Alerts"),
    ("security", "/security", "Security"),
    ("compliance", "/compliance", "Compliance"),
    ("retention", "/retention", "Retention"),
    ("integrity", "/integrity", "Integrity"),
)


# Who sees a part of the trail only is not led to these.
OF_THE_WHOLE_TRAIL = frozenset({"alerts", "security", "compliance", "retention", "integrity"})


@dataclass(frozen=True, slots=True)
class PageFrame:
    """`zone` is the organization's; `here` is the page that the navigation marks.

    `elsewhere` are the other organizations of the person: id as shown, and name.
    """

    organization: str
    person: str
    role: str
    zone: str
    form_token: str
    elsewhere: tuple[tuple[str, str], ...] = ()
    here: str = "audit-logs"

    @property
    def navigation(self) -> tuple[tuple[str, str, str], ...]:
        return tuple(one for one in NAVIGATION if self.role != "member" or one[0] not in OF_THE_WHOLE_TRAIL)

    def at(self, here: str) -> "PageFrame":
        """The same around another page."""
        return replace(self, here=here)


def is_ours(path: str) -> bool:
    """Whether a path leads to one of the pages, so that one may be sent on to it."""
    plain = path.isascii() and path.isprintable()
    return plain and any(path == home or path.startswith((home + "?", home + "/")) for _, home, _ in NAVIGATION)
