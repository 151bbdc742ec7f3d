"""Severities of rules and alerts: `notice` becomes `low`, and `warning` `medium`, as for events."""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Write the new words; messages that are queued already keep theirs."""
    for table in ("alert_rules", "alerts"):
        rows = sa.table(table, sa.column("severity", sa.String))
        for earlier, severity in (("notice", "low"), ("warning", "medium")):
            op.execute(rows.update().where(rows.c.severity == earlier).values(severity=severity))
