"""Decisions of two people, and former owners. Erasures that are unconfirmed go on as decisions."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0016"
branch_labels = None
depends_on = None

DAY_US = 86_400_000_000
OPEN_DAYS = 7


def upgrade() -> None:
    """Create the tables, and a decision for each erasure that waits for a confirmation."""
    op.create_table(
        "former_owners",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.org_id"], name=op.f("fk_former_owners_org_id")),
        sa.ForeignKeyConstraint(["user_id"], ["people.user_id"], name=op.f("fk_former_owners_user_id")),
        sa.PrimaryKeyConstraint("org_id", "user_id", name=op.f("pk_former_owners")),
    )
    decisions = op.create_table(
        "decisions",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("decision_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("target_id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.String(length=254), nullable=False),
        sa.Column("proposal", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("requested_by", sa.String(length=40), nullable=False),
        sa.Column("requested_by_name", sa.String(length=254), nullable=False),
        sa.Column("requested_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("first_by", sa.String(length=40), nullable=False),
        sa.Column("first_by_name", sa.String(length=254), nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_by", sa.String(length=40), nullable=False),
        sa.Column("ended_by_name", sa.String(length=254), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("org_id", "decision_id", name=op.f("pk_decisions")),
    )
    op.create_index("ix_decisions_state_expires_at", "decisions", ["state", "expires_at"], unique=False)
    _adopt_erasures(decisions)


def _adopt_erasures(decisions: sa.Table) -> None:
    """A person who requested an erasure has agreed to it; an API key has not."""
    erasures = sa.table(
        "erasures",
        sa.column("org_id", sa.Uuid()),
        sa.column("erasure_id", sa.Uuid()),
        sa.column("state", sa.String()),
        sa.column("requested_by", sa.String()),
        sa.column("requested_by_name", sa.String()),
        sa.column("requested_at", sa.BigInteger()),
    )
    is_person = erasures.c.requested_by.like("usr\\_%", escape="\\")
    pending = sa.select(
        erasures.c.org_id,
        erasures.c.erasure_id,
        sa.literal("erasure"),
        erasures.c.erasure_id,
        sa.literal(""),
        sa.literal(""),
        sa.literal("pending"),
        erasures.c.requested_by,
        erasures.c.requested_by_name,
        erasures.c.requested_at,
        erasures.c.requested_at + OPEN_DAYS * DAY_US,
        sa.case((is_person, erasures.c.requested_by), else_=""),
        sa.case((is_person, erasures.c.requested_by_name), else_=""),
        sa.case((is_person, erasures.c.requested_at)),
        sa.literal(""),
        sa.literal(""),
    ).where(erasures.c.state.in_(("looking", "ready")))
    names = [
        "org_id", "decision_id", "kind", "target_id", "title", "proposal", "state", "requested_by", "requested_by_name",
        "requested_at", "expires_at", "first_by", "first_by_name", "first_at", "ended_by", "ended_by_name",
    ]  # fmt: skip
    op.execute(sa.insert(decisions).from_select(names, pending))
