"""Intake rules, and the number of events that they dropped."""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "intake_rule_lists",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("rules", sa.Text(), nullable=False),
        sa.Column("next_rules", sa.Text(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", name=op.f("pk_intake_rule_lists")),
    )
    op.create_table(
        "dropped_events",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("hour", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("rule_id", sa.String(40), nullable=False),
        sa.Column("sender", sa.String(40), nullable=False),
        sa.Column("action", sa.String(100), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("recorded_events", sa.BigInteger(), nullable=False),
        sa.Column("recorded_bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "hour", "rule_id", "sender", "action", name=op.f("pk_dropped_events")),
    )
