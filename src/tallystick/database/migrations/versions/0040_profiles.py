"""Profiles of people, links that reset a password, and the last sign-in of each member."""

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns and the table."""
    op.add_column("people", sa.Column("zone", sa.String(64), nullable=False, server_default=""))
    op.add_column("people", sa.Column("appearance", sa.String(10), nullable=False, server_default="system"))
    op.add_column("memberships", sa.Column("signed_in_at", sa.BigInteger(), nullable=True))
    op.add_column("memberships", sa.Column("sign_in_method", sa.String(20), nullable=False, server_default=""))
    op.create_table(
        "password_resets",
        sa.Column("token_sha256", sa.LargeBinary(32), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["people.user_id"], name=op.f("fk_password_resets_user_id")),
        sa.PrimaryKeyConstraint("token_sha256", name=op.f("pk_password_resets")),
    )
    op.create_index("ix_password_resets_user_id", "password_resets", ["user_id"])
    op.create_index("ix_password_resets_expires_at", "password_resets", ["expires_at"])
