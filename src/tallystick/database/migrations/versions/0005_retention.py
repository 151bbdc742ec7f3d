"""The purge: when it runs, what it announced, how much went; and legal holds."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables and the columns."""
    op.add_column("organizations", sa.Column("longer_days", sa.Integer(), nullable=True))
    op.add_column("organizations", sa.Column("longer_until", sa.BigInteger(), nullable=True))
    op.add_column("logs", sa.Column("pruned", sa.BigInteger(), server_default="0", nullable=False))
    op.create_index("ix_external_ids_org_id_log_index", "external_ids", ["org_id", "log_index"])
    op.create_table(
        "purges",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("next_run_at", sa.BigInteger(), nullable=False),
        sa.Column("last_run_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("org_id", name=op.f("pk_purges")),
    )
    op.create_table(
        "prunings",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("pruning_id", sa.Uuid(), nullable=False),
        sa.Column("entry_id", sa.BigInteger(), nullable=False),
        sa.Column("indexes", sa.Text(), nullable=False),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.Column("before", sa.BigInteger(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "pruning_id", name=op.f("pk_prunings")),
    )
    op.create_table(
        "legal_holds",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("hold_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("start", sa.Text(), nullable=False),
        sa.Column("end", sa.Text(), nullable=False),
        sa.Column("placed_by", sa.String(length=254), nullable=False),
        sa.Column("placed_at", sa.BigInteger(), nullable=False),
        sa.Column("released_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("org_id", "hold_id", name=op.f("pk_legal_holds")),
    )
