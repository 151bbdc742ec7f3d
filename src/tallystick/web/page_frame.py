"""The frame around every page: navigation, organization switch, account menu, and the token of its forms."""

from dataclasses import dataclass, replace

# Name, path and title of each page in the navigation.
NAVIGATION = (
    ("audit-logs", "/audit-logs", "Audit Logs"),
    ("cases", "/cases", "Cases"),
    ("exports", "/exports", "Exports"),
    ("alerts", "/alerts", "Alerts"),
    ("security", "/security", "Security"),
    ("compliance", "/compliance", "Compliance"),
    ("retention", "/retention", "Retention"),
    ("intake-rules", "/intake-rules", "Intake rules"),
    ("integrity", "/integrity", "Integrity"),
    ("actions", "/actions", "Actions"),
    ("members", "/members", "Members"),
    ("api-keys", "/api-keys", "API keys"),
)
# Pages that need the whole trail; whoever sees only part of it gets no link to them.
WHOLE_TRAIL_PAGES = frozenset({
    "alerts", "security", "compliance", "retention", "intake-rules", "integrity", "actions",
})  # fmt: skip

ADMIN_PAGES = frozenset({"members", "api-keys"})

_OWN_PAGES = (*(page for _, page, _ in NAVIGATION), "/profile")


@dataclass(frozen=True, slots=True)
class PageFrame:
    """What the frame shows.

    `is_filtered`: the person sees a part of the trail only, by the `filter` that an owner set, if any.
    `zone` is the person's time zone or the organization's, `appearance` is light, dark or system, `current_page` the
    name of the page that the navigation marks, `other_organizations` the id and name of the other organizations of the
    person. `missing_events` is the number of the organization's events that the event store lacks, `missing_indexes`
    the ranges of their indexes as text.
    """

    organization: str
    person: str
    role: str
    zone: str
    form_token: str
    other_organizations: tuple[tuple[str, str], ...] = ()
    current_page: str = "audit-logs"
    is_filtered: bool = False
    filter: str = ""
    missing_events: int = 0
    missing_indexes: str = ""
    appearance: str = "system"

    @property
    def navigation(self) -> tuple[tuple[str, str, str], ...]:
        """The entries of NAVIGATION that the person may open."""
        hidden = {"member": ADMIN_PAGES, "auditor": ADMIN_PAGES}.get(self.role, frozenset())
        hidden |= WHOLE_TRAIL_PAGES if self.is_filtered else frozenset()
        return tuple(entry for entry in NAVIGATION if entry[0] not in hidden)

    def at(self, page: str) -> "PageFrame":
        """A copy of the frame with `page` marked in the navigation."""
        return replace(self, current_page=page)


def is_own_page(path: str) -> bool:
    """Whether a path leads to one of the pages; only then may a redirect go to it."""
    is_plain = path.isascii() and path.isprintable()
    return is_plain and any(path == page or path.startswith((page + "?", page + "/")) for page in _OWN_PAGES)
