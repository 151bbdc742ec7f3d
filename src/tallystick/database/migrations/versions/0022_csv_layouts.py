"""The layout of CSV files: the columns and the dialect of exports and schedules."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the layout, which is the default one for everything so far."""
    for table in ("exports", "export_schedules"):
        for name, default in (("columns", "default"), ("dialect", "standard")):
            op.add_column(table, sa.Column(name, sa.String(length=20), nullable=False, server_default=default))
