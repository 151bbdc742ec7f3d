"""The set-up link for the first owner: printed by the server while there is no organization, usable once."""

from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select, update

from tallystick import ids
from tallystick.access import names, organizations, people
from tallystick.access.audit import NOWHERE, Caller
from tallystick.access.members import Member
from tallystick.access.organizations import Organization
from tallystick.access.passwords import HashedPassword
from tallystick.access.scopes import user_principal
from tallystick.access.secret import Secret, is_token, new_token, token_digest
from tallystick.access.tables import setup_links
from tallystick.clock import DAY_US
from tallystick.errors import NotFound

LIFETIME_US = DAY_US


@dataclass(frozen=True, slots=True)
class FirstOwner:
    """The fields of the set-up form."""

    slug: str
    organization: str
    email: str
    name: str
    password: HashedPassword


def make(connection: Connection, *, now: int) -> Secret | None:
    """A token for /set-up/, valid for a day; None if an organization exists. Earlier tokens stay valid."""
    if organizations.exists_any(connection):
        return None
    connection.execute(delete(setup_links).where(setup_links.c.expires_at <= now))
    token = new_token()
    connection.execute(insert(setup_links).values(token_sha256=token_digest(token), expires_at=now + LIFETIME_US))
    return token


def check(connection: Connection, token: str, *, now: int) -> None:
    """NotFound (`bad_setup_link`) unless the link can still be used."""
    good = is_token(token) and not organizations.exists_any(connection)
    if good:
        row = connection.execute(select(setup_links).where(setup_links.c.token_sha256 == token_digest(token))).first()
        good = row is not None and row.used_at is None and row.expires_at > now
    if not good:
        raise NotFound(
            "This link was already used or has expired. Restart the server: it prints a new link as long as there "
            "is no organization.",
            code="bad_setup_link",
        )


def use(
    connection: Connection, token: str, owner: FirstOwner, *, now: int, caller: Caller = NOWHERE
) -> tuple[Organization, Member]:
    """Create the first organization and its owner. The caller creates its log in the same transaction.

    Of several concurrent uses, with one link or several, one wins: each locks all links, then checks. Raises NotFound
    (`bad_setup_link`), BadRequest for the form's fields; then the link stays valid.
    """
    connection.execute(select(setup_links).order_by(setup_links.c.token_sha256).with_for_update()).all()
    check(connection, token, now=now)
    connection.execute(update(setup_links).where(setup_links.c.used_at.is_(None)).values(used_at=now))
    email = names.email(owner.email)
    # The first owner is the one who acts, before there is a row for it.
    user_id = ids.new_uuid(now)
    by = user_principal(user_id, email, names.name(owner.name) if owner.name else "")
    organization = organizations.create(connection, owner.slug, owner.organization, now=now, by=by, caller=caller)
    member = people.add(
        connection, organization.org_id, email, "owner", owner.password,
        by=by, now=now, name=owner.name, caller=caller, user_id=user_id,
    )  # fmt: skip
    return organization, member
