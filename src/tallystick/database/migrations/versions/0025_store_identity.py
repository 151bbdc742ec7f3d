"""Which event store an installation has, so that no other one is taken for it."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table, without a row: the server writes it at its first start, once it has compared the store."""
    op.create_table(
        "store_identity",
        sa.Column("identity_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("store_id", sa.Uuid(), nullable=True),
        sa.Column("node_id", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("identity_id", name=op.f("pk_store_identity")),
    )
