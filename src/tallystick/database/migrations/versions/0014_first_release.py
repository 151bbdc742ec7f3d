"""The schema of the first release. Databases of earlier development versions cannot be upgraded to it."""

from tallystick.database.migrations.first_release import evidence, organizations, recording, sending

revision = "0014"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create every table."""
    for tables in (organizations, recording, evidence, sending):
        tables.create()
