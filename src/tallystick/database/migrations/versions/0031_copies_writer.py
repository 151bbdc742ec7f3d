"""Who writes continuous copies, and their order without the clock."""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; the number of the last file takes the place of the time in its name."""
    op.add_column("copies", sa.Column("number", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("copies", sa.Column("writer", sa.String(length=8), server_default="", nullable=False))
    op.add_column("copies", sa.Column("token", sa.String(length=32), server_default="", nullable=False))
    op.add_column("copies", sa.Column("token_before", sa.String(length=32), server_default="", nullable=False))
    op.add_column("copies", sa.Column("oldest_at", sa.BigInteger(), nullable=True))
    op.drop_column("copies", "named_at")
