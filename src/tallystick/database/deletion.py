"""Deleting many rows, a part of them in each transaction: on SQLite, recording waits for a transaction that writes."""

from sqlalchemy import ColumnElement, Connection, Table, delete, select, tuple_

MOST_DELETED = 5_000  # rows of one transaction


def delete_some(connection: Connection, table: Table, condition: ColumnElement[bool], most: int | None = None) -> bool:
    """Delete at most `most` rows for which the condition holds, MOST_DELETED by default; whether more may be left."""
    most = MOST_DELETED if most is None else most
    key = tuple(table.primary_key)
    some = select(*key).where(condition).limit(most)
    return connection.execute(delete(table).where(tuple_(*key).in_(some))).rowcount == most
