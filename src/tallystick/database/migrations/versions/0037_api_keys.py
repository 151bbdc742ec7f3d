"""Rotation and last address of API keys, and the revision of access."""

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns and the table."""
    op.add_column("api_keys", sa.Column("last_used_address", sa.String(45), nullable=False, server_default=""))
    op.add_column("api_keys", sa.Column("replaced_by", sa.Uuid(), nullable=True))
    op.create_table(
        "access_revisions",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_revisions")),
    )
