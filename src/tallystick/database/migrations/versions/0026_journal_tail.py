"""The tail of the journal: batches that the event store has, kept for some hours."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table; what was stored before is not in it."""
    op.create_table(
        "journal_tail",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("first_index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("bytes", sa.Integer(), nullable=False),
        sa.Column("kept_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "first_index", name=op.f("pk_journal_tail")),
    )
    op.create_index("ix_journal_tail_kept_at", "journal_tail", ["kept_at", "bytes"])
