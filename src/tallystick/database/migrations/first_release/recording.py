"""The journal, the Merkle log of each organization, shipments, integrity checks and backups."""

import sqlalchemy as sa
from alembic import op


def create() -> None:
    """Create the tables and their indexes."""
    _ledger()
    _journal()
    _ingest()
    _integrity()
    _backup()


def _ledger() -> None:
    op.create_table(
        "checkpoints",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("root", sa.LargeBinary(length=32), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("org_id", "size", name=op.f("pk_checkpoints")),
    )
    op.create_table(
        "logs",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("origin_id", sa.String(length=32), nullable=False),
        sa.Column("origin", sa.String(length=300), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.LargeBinary(length=32), nullable=False),
        sa.Column("edge", sa.LargeBinary(), nullable=False),
        sa.Column("frozen_reason", sa.Text(), nullable=True),
        sa.Column("fixed_end", sa.BigInteger(), nullable=False),
        sa.Column("stored_end", sa.BigInteger(), nullable=False),
        sa.Column("pruned", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", name=op.f("pk_logs")),
        sa.UniqueConstraint("origin_id", name=op.f("uq_logs_origin_id")),
    )
    op.create_table(
        "signing_keys",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("public", sa.LargeBinary(length=32), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("signs_until", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("org_id", "public", name=op.f("pk_signing_keys")),
    )
    op.create_table(
        "tiles",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("level", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hashes", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "level", "position", name=op.f("pk_tiles")),
    )


def _journal() -> None:
    op.create_table(
        "journal",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("first_index", sa.BigInteger(), nullable=False),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.Column("received_from", sa.BigInteger(), nullable=False),
        sa.Column("received_to", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "first_index", name=op.f("pk_journal")),
    )
    op.create_table(
        "set_aside",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("log_index", sa.BigInteger(), nullable=False),
        sa.Column("record", sa.LargeBinary(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("set_aside_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "log_index", name=op.f("pk_set_aside")),
    )


def _ingest() -> None:
    op.create_table(
        "external_ids",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.String(length=128), nullable=False),
        sa.Column("log_index", sa.BigInteger(), nullable=False),
        sa.Column("event_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("occurred_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "external_id", name=op.f("pk_external_ids")),
    )
    op.create_index("ix_external_ids_org_id_log_index", "external_ids", ["org_id", "log_index"], unique=False)
    op.create_table(
        "idempotency_keys",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("body_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.Column("answered_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index("ix_idempotency_keys_answered_at", "idempotency_keys", ["answered_at"], unique=False)
    op.create_table(
        "shipments",
        sa.Column("shipment_id", sa.Uuid(), nullable=False),
        sa.Column("token", sa.String(length=64), nullable=False),
        sa.Column("store_id", sa.Uuid(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("shipment_id", name=op.f("pk_shipments")),
    )
    op.create_table(
        "shipment_ranges",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("first_index", sa.BigInteger(), nullable=False),
        sa.Column("end_index", sa.BigInteger(), nullable=False),
        sa.Column("shipment_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["shipment_id"], ["shipments.shipment_id"], name=op.f("fk_shipment_ranges_shipment_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("org_id", "first_index", name=op.f("pk_shipment_ranges")),
    )
    op.create_index(op.f("ix_shipment_ranges_shipment_id"), "shipment_ranges", ["shipment_id"], unique=False)


def _integrity() -> None:
    op.create_table(
        "integrity_rounds",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("begun_at", sa.BigInteger(), nullable=True),
        sa.Column("running", sa.LargeBinary(), nullable=True),
        sa.Column("last", sa.LargeBinary(), nullable=True),
        sa.Column("wanted", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("org_id", name=op.f("pk_integrity_rounds")),
    )
    op.create_table(
        "public_logs",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", name=op.f("pk_public_logs")),
    )


def _backup() -> None:
    op.create_table(
        "backups",
        sa.Column("backup_id", sa.Uuid(), nullable=False),
        sa.Column("directory", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("wanted_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column("of_events", sa.BigInteger(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("backup_id", name=op.f("pk_backups")),
    )
