"""How far continuous copies are."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables; copies begin when they are configured."""
    op.create_table(
        "copies",
        sa.Column("copies_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("generation", sa.String(length=40), nullable=False),
        sa.Column("revision", sa.String(length=40), nullable=False),
        sa.Column("full_at", sa.BigInteger(), nullable=True),
        sa.Column("named_at", sa.BigInteger(), nullable=False),
        sa.Column("copied_at", sa.BigInteger(), nullable=False),
        sa.Column("snapshot_at", sa.BigInteger(), nullable=True),
        sa.Column("problem", sa.String(length=300), nullable=False),
        sa.PrimaryKeyConstraint("copies_id", name=op.f("pk_copies")),
    )
    op.add_column("erasures", sa.Column("copies_until", sa.BigInteger(), nullable=True))
    op.create_table(
        "copied_logs",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("copied_end", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", name=op.f("pk_copied_logs")),
    )
