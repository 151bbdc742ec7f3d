"""Counts of reads until they are recorded, and the setting of how much of what people look at is recorded."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the two tables."""
    op.create_table(
        "data_access_counts",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("reader_id", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("reader", sa.Text(), nullable=False),
        sa.Column("address", sa.String(length=45), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "reader_id", "kind", "start", name=op.f("pk_data_access_counts")),
    )
    op.create_table(
        "data_access_settings",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("views", sa.String(length=10), nullable=False),
        sa.PrimaryKeyConstraint("org_id", name=op.f("pk_data_access_settings")),
    )
