"""After a rotation of the secret key, destinations are served with the secrets that they had."""

import pytest
from sqlalchemy import select
from standardwebhooks import Webhook

from tallystick.access.secret import DecryptionFailed, SecretBox
from tallystick.backup.secret_rotation import reseal
from tallystick.destinations.context import DestinationContext
from tallystick.destinations.delivery_worker import DeliveryWorker
from tallystick.destinations.message_queue import MessageQueue
from tallystick.destinations.secrets import open_secrets
from tallystick.destinations.tables import destinations
from tallystick.secret_keys import SecretKeys
from tests.destinations.destination_driver import LOCAL


def box(*keys: str) -> SecretBox:
    return SecretBox(SecretKeys(keys[0], keys[1:]), destinations.c.sealed)


def restart(at, *keys: str) -> None:
    """Go on with other secret keys, as a server that is started with them."""
    at.worker.close()
    at.context = DestinationContext(box(*keys), LOCAL)
    at.worker = DeliveryWorker(at.database, MessageQueue(at.database, at.context))


def deliver(at, made, receiver, name: str) -> None:
    at.put(made, name)
    at.go()
    headers, body = receiver.requests.pop()
    Webhook(made.secret).verify(body.decode(), headers)


def test_a_webhook_gets_the_same_signature_before_during_and_after_a_rotation(at, receiver):
    made = at.make(receiver.url)
    deliver(at, made, receiver, "alr_1")
    restart(at, "new", "secret")
    deliver(at, made, receiver, "alr_2")
    with at.database.write() as connection:
        assert reseal(connection, SecretKeys("new", ("secret",))) == {"previous": 1}
    deliver(at, made, receiver, "alr_3")
    restart(at, "new")
    deliver(at, made, receiver, "alr_4")


def test_what_was_encrypted_anew_opens_with_the_new_key_alone_and_only_at_its_place(at, receiver):
    made = at.make(receiver.url).destination
    with at.database.write() as connection:
        reseal(connection, SecretKeys("new", ("secret",)))
        sealed = connection.execute(select(destinations.c.sealed)).scalar_one()
        assert reseal(connection, SecretKeys("new", ("secret",))) == {"current": 1}
        assert connection.execute(select(destinations.c.sealed)).scalar_one() == sealed
    assert open_secrets(box("new"), made.org_id, made.destination_id, sealed).url == receiver.url
    for other, org_id in ((box("secret"), made.org_id), (box("new"), made.destination_id)):
        with pytest.raises(DecryptionFailed):
            open_secrets(other, org_id, made.destination_id, sealed)
