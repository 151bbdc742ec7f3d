"""Recognizes an organization without events of its own, which is shown how to send the first one."""

from tallystick.database.engine import Database
from tallystick.ledger import log
from tallystick.query.conditions import Query
from tallystick.query.own_records import is_own_record
from tallystick.query.scope import Scope
from tallystick.search.find import Finder

# A larger log certainly has events of others; in a smaller one, each event is examined.
MOST_OWN = 200


def first_run_index(database: Database, finder: Finder, scope: Scope) -> int | None:
    """The index up to which the organization has only Tallystick's own events; None if it has others. Blocks.

    Also None for whoever may read a part of them only.
    """
    with database.read() as connection:
        size, _ = log.root(connection, scope.org_id)
    if size > MOST_OWN or scope.is_filtered:
        return None
    page = finder.page(scope, Query(), limit=MOST_OWN, count="none")
    if any(not is_own_record(stored.what) for stored in page.data):
        return None
    return page.searchable_through
