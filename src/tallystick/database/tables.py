"""The metadata that all packages' tables belong to, and shared column types."""

from dataclasses import dataclass

from sqlalchemy import BigInteger, Column, LargeBinary, MetaData, Uuid

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def org_column(*, primary_key: bool = False) -> Column:  # type: ignore[type-arg]
    """The organization of a row: the first column of every table that has one."""
    return Column("org_id", Uuid, primary_key=primary_key, nullable=False)


def time_column(name: str, *, nullable: bool = False) -> Column:  # type: ignore[type-arg]
    """A time in microseconds since 1970 UTC."""
    return Column(name, BigInteger, nullable=nullable)


@dataclass(frozen=True, slots=True)
class Sealing:
    """How the values of a column are encrypted: the purpose of their key, and the columns that name a value's place."""

    purpose: bytes
    place: tuple[str, ...]


def sealed_column(purpose: bytes, *place: str) -> Column:  # type: ignore[type-arg]
    """Bytes that are encrypted with the secret key: by `access/secret.py`, and anew by `backup/secret_rotation.py`."""
    return Column("sealed", LargeBinary, nullable=False, info={"sealing": Sealing(purpose, place)})
