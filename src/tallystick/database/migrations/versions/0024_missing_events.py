"""Ranges of missing events, the events that purges deleted, damaged data parts, and exports without missing events."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables and columns. The purges of earlier versions are added when a check needs them."""
    op.create_table(
        "missing_ranges",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("first_index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("last_index", sa.BigInteger(), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column("received_before", sa.BigInteger(), nullable=False),
        sa.Column("noticed_at", sa.BigInteger(), nullable=False),
        sa.Column("noticed_by", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "first_index", name=op.f("pk_missing_ranges")),
    )
    op.create_table(
        "purged_indexes",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("pruning_id", sa.Uuid(), nullable=False),
        sa.Column("indexes", sa.Text(), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "pruning_id", name=op.f("pk_purged_indexes")),
    )
    op.add_column("exports", sa.Column("allow_missing", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("exports", sa.Column("missing", sa.Text(), server_default="", nullable=False))
    op.create_table(
        "damaged_parts",
        sa.Column("part", sa.String(length=300), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("noticed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("part", name=op.f("pk_damaged_parts")),
    )
