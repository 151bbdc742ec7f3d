"""Choices of the filter form, for its templates."""

from tallystick.web.filters import ACTOR_TYPES, CATEGORIES, COLUMNS, RANGES, STATUSES, Filters, visible_columns

ranges = RANGES
categories = CATEGORIES
actor_types = ACTOR_TYPES
statuses = STATUSES
columns = COLUMNS
csv_columns = {"default": "Summary", "all": "All"}
csv_dialects = {
    "standard": "any program",
    "excel": "Excel",
    "excel-semicolon": "Excel, with semicolons",
}


def date_input_type(value: str) -> str:
    """The HTML input type of a bound: a date, unless a link put a time into it."""
    return "date" if not value or (len(value) == 10 and value[4] == value[7] == "-") else "text"


def visible(filters: Filters) -> tuple[str, ...]:
    """The visible columns of the table."""
    return visible_columns(filters.columns)


def zone_choices(filters: Filters, organization_zone: str) -> list[tuple[str, str]]:
    """(value, label) of each zone: UTC, the organization's, and the one in the URL; the script adds the local one."""
    choices = {"": "UTC"}
    if organization_zone not in ("", "UTC"):
        choices[organization_zone] = f"{organization_zone} (organization)"
    if filters.tz:
        choices.setdefault(filters.tz, filters.tz)
    return list(choices.items())
