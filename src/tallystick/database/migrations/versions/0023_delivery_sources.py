"""What sends a message to a destination, by which the messages that wait are counted."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the source, which is empty for all messages so far, and an index of those that wait."""
    op.add_column("deliveries", sa.Column("source", sa.String(length=40), nullable=False, server_default=""))
    op.create_index("ix_deliveries_waiting", "deliveries", ["org_id", "destination_id", "state", "source"])
