"""An owner's approval of destinations, and links to exports as rows that can be listed and ended."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Destinations from before go on: they count as approved."""
    op.add_column("destinations", sa.Column("approval", sa.String(10), nullable=False, server_default="approved"))
    op.add_column("destinations", sa.Column("approved_by", sa.String(254), nullable=False, server_default=""))
    op.add_column("destinations", sa.Column("approved_at", sa.BigInteger(), nullable=True))
    op.create_table(
        "export_links",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("link_id", sa.Uuid(), nullable=False),
        sa.Column("export_id", sa.Uuid(), nullable=False),
        sa.Column("by_kind", sa.String(length=20), nullable=False),
        sa.Column("by_id", sa.String(length=100), nullable=False),
        sa.Column("by_name", sa.String(length=254), nullable=False),
        sa.Column("by_email", sa.String(length=254), nullable=False),
        sa.Column("view", sa.String(length=64), nullable=False),
        sa.Column("schedule_id", sa.Uuid(), nullable=True),
        sa.Column("recipient", sa.String(length=254), nullable=False),
        sa.Column("consented", sa.Boolean(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("last_used_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_by", sa.String(length=254), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "link_id", name=op.f("pk_export_links")),
    )
    op.create_index("ix_export_links_org_id_export_id", "export_links", ["org_id", "export_id"], unique=False)
