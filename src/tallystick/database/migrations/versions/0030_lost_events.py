"""Events that were accepted as lost, and commands about missing events that a running server is to carry out."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables, and the ranges of lost events to exports."""
    op.create_table(
        "store_requests",
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("command", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("wanted_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column("of_events", sa.BigInteger(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("request_id", name=op.f("pk_store_requests")),
    )
    op.add_column("exports", sa.Column("lost", sa.Text(), server_default="", nullable=False))
    op.create_table(
        "lost_events",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("loss_id", sa.Uuid(), nullable=False),
        sa.Column("entry_id", sa.BigInteger(), nullable=False),
        sa.Column("indexes", sa.Text(), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column("received_before", sa.BigInteger(), nullable=False),
        sa.Column("accepted_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "loss_id", name=op.f("pk_lost_events")),
    )
