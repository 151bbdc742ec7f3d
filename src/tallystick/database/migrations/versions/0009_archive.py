"""Changes of plan, mail, and what is archived before it is purged."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables."""
    _retention()
    _mail()


def _retention() -> None:
    op.create_table(
        "exported_ranges",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("first", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "first", name=op.f("pk_exported_ranges")),
    )
    op.create_table(
        "retention_mails",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("off", sa.Boolean(), nullable=False),
        sa.Column("told_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("org_id", name=op.f("pk_retention_mails")),
    )
    op.create_table(
        "archives",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("archive_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.Column("written_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "archive_id", name=op.f("pk_archives")),
    )
    op.create_table(
        "archive_problems",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("problem", sa.String(length=300), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", name=op.f("pk_archive_problems")),
    )


def _mail() -> None:
    op.create_table(
        "mails",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("mail_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("recipient", sa.String(length=254), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("html", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("problem", sa.String(length=200), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=False),
        sa.Column("claimed_until", sa.BigInteger(), nullable=True),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("org_id", "mail_id", name=op.f("pk_mails")),
    )
    op.create_index("ix_mails_state_next_at", "mails", ["state", "next_at"])
