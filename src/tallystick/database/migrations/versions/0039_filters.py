"""Mandatory filters of memberships and keys, keys that record for others, and the view that an export was made in."""

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0040"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; without a filter they are empty."""
    for table in ("memberships", "api_keys"):
        for name in ("filter", "filter_condition"):
            op.add_column(table, sa.Column(name, sa.Text(), nullable=False, server_default=""))
    op.add_column("api_keys", sa.Column("records_for_others", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("exports", sa.Column("view", sa.String(64), nullable=False, server_default=""))
