"""Tables of access. Secrets are stored as hashes only."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    Uuid,
    false,
)

from tallystick.database.tables import metadata, org_column, time_column
from tallystick.query.mandatory_filter import MandatoryFilter


def filter_columns() -> tuple[Column[str], Column[str]]:
    """A mandatory filter as it was written, and its condition (`query.mandatory_filter`); both empty without one."""
    return (
        Column("filter", Text, nullable=False, server_default=""),
        Column("filter_condition", Text, nullable=False, server_default=""),
    )


def filter_values(limit: MandatoryFilter | None) -> dict[str, str]:
    """The values of a row's filter columns."""
    return {"filter": limit.text if limit else "", "filter_condition": limit.stored if limit else ""}


organizations = Table(
    "organizations",
    metadata,
    org_column(primary_key=True),
    Column("slug", String(40), nullable=False, unique=True),
    Column("name", String(100), nullable=False),
    Column("plan", String(20), nullable=False),
    Column("retention_days", Integer, nullable=False),
    # Until then nothing younger than so many days is deleted: what stood before the last change.
    Column("longer_days", Integer),
    time_column("longer_until", nullable=True),
    Column("zone", String(64), nullable=False),
    time_column("created_at"),
    # Which keys end with the access of whoever made them: `reading`, `all` or `none` (`leavers`).
    Column("leaver_keys", String(10), nullable=False, server_default="reading"),
)

# A person is one account, whatever organizations it belongs to.
people = Table(
    "people",
    metadata,
    Column("user_id", Uuid, primary_key=True),
    Column("email", String(254), nullable=False, unique=True),
    Column("name", String(100), nullable=False),
    Column("password_hash", String(255)),
    Column("zone", String(64), nullable=False, server_default=""),  # "" is the organization's
    Column("appearance", String(10), nullable=False, server_default="system"),
    time_column("disabled_at", nullable=True),
    time_column("created_at"),
)

memberships = Table(
    "memberships",
    metadata,
    Column("org_id", Uuid, ForeignKey("organizations.org_id"), primary_key=True),
    Column("user_id", Uuid, ForeignKey("people.user_id"), primary_key=True, index=True),
    Column("role", String(20), nullable=False),
    time_column("disabled_at", nullable=True),
    time_column("joined_at"),
    # The last sign-in to this organization, and its method: `password`, `sso`, ….
    time_column("signed_in_at", nullable=True),
    Column("sign_in_method", String(20), nullable=False, server_default=""),
    *filter_columns(),
)

# When somebody last ceased to be an owner by a change of role: the number of owners looks back (`decisions`).
former_owners = Table(
    "former_owners",
    metadata,
    Column("org_id", Uuid, ForeignKey("organizations.org_id"), primary_key=True),
    Column("user_id", Uuid, ForeignKey("people.user_id"), primary_key=True),
    time_column("ended_at"),
)

# Changes that wait, or waited, until enough people agree.
decisions = Table(
    "decisions",
    metadata,
    org_column(primary_key=True),
    Column("decision_id", Uuid, primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("target_id", Uuid, nullable=False),  # what is decided about: an organization, a hold, an erasure
    Column("title", String(254), nullable=False),  # its name
    Column("proposal", Text, nullable=False),  # JSON, as the kind has it; no personal data
    Column("state", String(20), nullable=False),
    Column("requested_by", String(40), nullable=False),
    Column("requested_by_name", String(254), nullable=False),
    time_column("requested_at"),
    time_column("expires_at"),
    # The first person who agreed: who requested it, unless that was an API key.
    Column("first_by", String(40), nullable=False),
    Column("first_by_name", String(254), nullable=False),
    time_column("first_at", nullable=True),
    # Who confirmed or cancelled it, and when it was over.
    Column("ended_by", String(40), nullable=False),
    Column("ended_by_name", String(254), nullable=False),
    time_column("ended_at", nullable=True),
    Index("ix_decisions_state_expires_at", "state", "expires_at"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("org_id", Uuid, ForeignKey("organizations.org_id"), primary_key=True),
    Column("key_id", Uuid, primary_key=True),
    Column("name", String(100), nullable=False),
    Column("scopes", Text, nullable=False),  # parted by spaces
    Column("token_sha256", LargeBinary(32), nullable=False, unique=True),
    Column("last4", String(4), nullable=False),
    Column("allowed_networks", Text, nullable=False),  # CIDRs parted by spaces; empty is every address
    Column("created_by", String(254), nullable=False),
    time_column("created_at"),
    time_column("expires_at", nullable=True),
    time_column("last_used_at", nullable=True),
    Column("last_used_address", String(45), nullable=False, server_default=""),
    time_column("revoked_at", nullable=True),
    Column("replaced_by", Uuid),  # the key that a rotation made; this one ends at `expires_at`
    Column("warned_days", Integer),  # the last warning before it expires was for so many days
    # Its maker lost access then, and it can still be used; when the owners were told.
    time_column("maker_left_at", nullable=True),
    time_column("owners_told_at", nullable=True),
    *filter_columns(),
    Column("records_for_others", Boolean, nullable=False, server_default=false()),
)

# One row: it grows with every change that takes access away, so that servers drop what they have cached.
access_revisions = Table(
    "access_revisions",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("revision", BigInteger, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("org_id", Uuid, ForeignKey("organizations.org_id"), nullable=False),
    Column("session_id", Uuid, primary_key=True),
    Column("user_id", Uuid, ForeignKey("people.user_id"), nullable=False, index=True),
    Column("token_sha256", LargeBinary(32), nullable=False, unique=True),
    Column("address", String(45), nullable=False),
    Column("user_agent", String(512), nullable=False),
    time_column("created_at"),
    time_column("seen_at"),
    Index("ix_sessions_seen_at", "seen_at"),
)

# One row for each thing that is counted: an account, an account at an address, an address.
sign_in_attempts = Table(
    "sign_in_attempts",
    metadata,
    Column("subject", String(100), primary_key=True),
    Column("attempts", Integer, nullable=False),
    time_column("until"),
    Index("ix_sign_in_attempts_until", "until"),
)

# Links that set a new password: each is deleted when it is used, and all of a person's with it.
password_resets = Table(
    "password_resets",
    metadata,
    Column("token_sha256", LargeBinary(32), primary_key=True),
    Column("user_id", Uuid, ForeignKey("people.user_id"), nullable=False, index=True),
    time_column("expires_at"),
    Index("ix_password_resets_expires_at", "expires_at"),
)

setup_links = Table(
    "setup_links",
    metadata,
    Column("token_sha256", LargeBinary(32), primary_key=True),
    time_column("expires_at"),
    time_column("used_at", nullable=True),
)
