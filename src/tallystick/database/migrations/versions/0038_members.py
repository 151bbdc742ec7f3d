"""Invitations, and what becomes of API keys that expire or whose maker leaves."""

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns and the table."""
    op.add_column("organizations", sa.Column("leaver_keys", sa.String(10), nullable=False, server_default="reading"))
    op.add_column("api_keys", sa.Column("warned_days", sa.Integer(), nullable=True))
    op.add_column("api_keys", sa.Column("maker_left_at", sa.BigInteger(), nullable=True))
    op.add_column("api_keys", sa.Column("owners_told_at", sa.BigInteger(), nullable=True))
    op.create_table(
        "invitations",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("invitation_id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("token_sha256", sa.LargeBinary(32), nullable=False),
        sa.Column("invited_by", sa.String(40), nullable=False),
        sa.Column("invited_by_name", sa.String(254), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=True),
        sa.Column("sends", sa.Integer(), nullable=False),
        sa.Column("accepted_at", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("org_id", "invitation_id", name=op.f("pk_invitations")),
        sa.UniqueConstraint("token_sha256", name=op.f("uq_invitations_token_sha256")),
    )
