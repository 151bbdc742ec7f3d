"""Keys that sign checkpoints, and the name under which a log is signed."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table and the column."""
    op.add_column("logs", sa.Column("origin", sa.String(length=300), nullable=True))
    op.create_table(
        "signing_keys",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("public", sa.LargeBinary(length=32), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("signs_until", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("org_id", "public", name=op.f("pk_signing_keys")),
    )
