"""The background integrity check: how far it is, and what it found; and which logs are public."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "integrity_rounds",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("begun_at", sa.BigInteger(), nullable=True),
        sa.Column("running", sa.LargeBinary(), nullable=True),
        sa.Column("last", sa.LargeBinary(), nullable=True),
        sa.Column("wanted", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("org_id", name=op.f("pk_integrity_rounds")),
    )
    op.create_table(
        "public_logs",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", name=op.f("pk_public_logs")),
    )
