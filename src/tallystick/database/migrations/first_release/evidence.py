"""Retention, legal holds, erasures, exports, reviews and cases."""

import sqlalchemy as sa
from alembic import op


def create() -> None:
    """Create the tables and their indexes."""
    _archive_problems()
    _purges()
    _erasure()
    _compliance()
    _cases()
    _exports()


def _archive_problems() -> None:
    op.create_table(
        "archive_problems",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("problem", sa.String(length=300), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", name=op.f("pk_archive_problems")),
    )
    op.create_table(
        "archives",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("archive_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.Column("written_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "archive_id", name=op.f("pk_archives")),
    )
    op.create_table(
        "clock_witness",
        sa.Column("witness", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("doubted_at", sa.BigInteger(), nullable=True),
        sa.Column("doubted_through", sa.BigInteger(), nullable=True),
        sa.Column("confirmed", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("witness", name=op.f("pk_clock_witness")),
    )
    op.create_table(
        "exported_ranges",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("first", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "first", name=op.f("pk_exported_ranges")),
    )
    op.create_table(
        "legal_holds",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("hold_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("start", sa.Text(), nullable=False),
        sa.Column("end", sa.Text(), nullable=False),
        sa.Column("placed_by", sa.String(length=254), nullable=False),
        sa.Column("placed_at", sa.BigInteger(), nullable=False),
        sa.Column("released_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("org_id", "hold_id", name=op.f("pk_legal_holds")),
    )
    op.create_table(
        "prunings",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("pruning_id", sa.Uuid(), nullable=False),
        sa.Column("entry_id", sa.BigInteger(), nullable=False),
        sa.Column("indexes", sa.Text(), nullable=False),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.Column("before", sa.BigInteger(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "pruning_id", name=op.f("pk_prunings")),
    )


def _purges() -> None:
    op.create_table(
        "purges",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("next_run_at", sa.BigInteger(), nullable=False),
        sa.Column("last_run_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("org_id", name=op.f("pk_purges")),
    )
    op.create_table(
        "retention_mails",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("off", sa.Boolean(), nullable=False),
        sa.Column("told_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("org_id", name=op.f("pk_retention_mails")),
    )


def _erasure() -> None:
    op.create_table(
        "erasures",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("erasure_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("stage", sa.String(length=20), nullable=False),
        sa.Column("place", sa.String(length=50), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("requested_by", sa.String(length=40), nullable=False),
        sa.Column("requested_by_name", sa.String(length=254), nullable=False),
        sa.Column("requested_at", sa.BigInteger(), nullable=False),
        sa.Column("confirmed_by", sa.String(length=40), nullable=False),
        sa.Column("confirmed_by_name", sa.String(length=254), nullable=False),
        sa.Column("confirmed_at", sa.BigInteger(), nullable=True),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("end_index", sa.BigInteger(), nullable=False),
        sa.Column("holds", sa.Text(), nullable=False),
        sa.Column("found", sa.Text(), nullable=False),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.Column("held", sa.Integer(), nullable=False),
        sa.Column("waits_for", sa.String(length=300), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "erasure_id", name=op.f("pk_erasures")),
    )
    op.create_table(
        "erasure_steps",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("erasure_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("parts", sa.SmallInteger(), nullable=False),
        sa.Column("indexes", sa.Text(), nullable=False),
        sa.Column("entry_id", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["org_id", "erasure_id"], ["erasures.org_id", "erasures.erasure_id"], name=op.f("fk_erasure_steps_org_id")
        ),
        sa.PrimaryKeyConstraint("org_id", "erasure_id", "number", name=op.f("pk_erasure_steps")),
    )


def _compliance() -> None:
    op.create_table(
        "review_findings",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("review_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("log_index", sa.BigInteger(), nullable=False),
        sa.Column("occurred_at", sa.BigInteger(), nullable=False),
        sa.Column("severity", sa.String(length=10), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("marked_by", sa.String(length=254), nullable=False),
        sa.Column("marked_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "review_id", "event_id", name=op.f("pk_review_findings")),
    )
    op.create_table(
        "review_reminders",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("weekday", sa.Integer(), nullable=False),
        sa.Column("at", sa.String(length=5), nullable=False),
        sa.Column("zone", sa.String(length=64), nullable=False),
        sa.Column("recipients", sa.Text(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=False),
        sa.Column("told_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("org_id", name=op.f("pk_review_reminders")),
    )
    op.create_index("ix_review_reminders_next_at", "review_reminders", ["next_at"], unique=False)
    op.create_table(
        "reviews",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("review_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("about", sa.String(length=100), nullable=False),
        sa.Column("corrects", sa.Uuid(), nullable=True),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("end", sa.BigInteger(), nullable=False),
        sa.Column("zone", sa.String(length=64), nullable=False),
        sa.Column("filter", sa.Text(), nullable=False),
        sa.Column("conclusion", sa.Text(), nullable=False),
        sa.Column("opened_by", sa.String(length=100), nullable=False),
        sa.Column("opened_by_name", sa.String(length=254), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("signed_by_kind", sa.String(length=20), nullable=False),
        sa.Column("signed_by", sa.String(length=100), nullable=False),
        sa.Column("signed_by_name", sa.String(length=254), nullable=False),
        sa.Column("signed_at", sa.BigInteger(), nullable=True),
        sa.Column("position", sa.BigInteger(), nullable=True),
        sa.Column("events", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "review_id", name=op.f("pk_reviews")),
    )
    op.create_index("ix_reviews_org_id_state", "reviews", ["org_id", "state"], unique=False)


def _cases() -> None:
    op.create_table(
        "cases",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("issue", sa.Text(), nullable=False),
        sa.Column("detected", sa.Text(), nullable=False),
        sa.Column("impact", sa.Text(), nullable=False),
        sa.Column("root_cause", sa.Text(), nullable=False),
        sa.Column("resolution", sa.Text(), nullable=False),
        sa.Column("time_to_fix", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("made_by", sa.String(length=40), nullable=False),
        sa.Column("made_by_name", sa.String(length=254), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("org_id", "case_id", name=op.f("pk_cases")),
    )
    op.create_index("ix_cases_org_id_changed_at", "cases", ["org_id", "changed_at"], unique=False)
    op.create_table(
        "case_events",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("occurred_at", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("added_by", sa.String(length=254), nullable=False),
        sa.Column("added_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["org_id", "case_id"], ["cases.org_id", "cases.case_id"], name=op.f("fk_case_events_org_id")
        ),
        sa.PrimaryKeyConstraint("org_id", "case_id", "event_id", name=op.f("pk_case_events")),
    )


def _exports() -> None:
    op.create_table(
        "exports",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("export_id", sa.Uuid(), nullable=False),
        sa.Column("format", sa.String(length=20), nullable=False),
        sa.Column("filter", sa.Text(), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("gone", sa.String(length=20), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("progress", sa.Integer(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=True),
        sa.Column("bytes", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("ranges", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("by_kind", sa.String(length=20), nullable=False),
        sa.Column("by_id", sa.String(length=100), nullable=False),
        sa.Column("by_name", sa.String(length=254), nullable=False),
        sa.Column("by_email", sa.String(length=254), nullable=False),
        sa.Column("by_role", sa.String(length=20), nullable=False),
        sa.Column("address", sa.String(length=45), nullable=False),
        sa.Column("source", sa.String(length=10), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("org_id", "export_id", name=op.f("pk_exports")),
    )
    op.create_index("ix_exports_state", "exports", ["state"], unique=False)
