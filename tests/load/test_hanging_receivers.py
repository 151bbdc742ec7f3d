"""Webhooks, channels and a mail server that accept connections and then hang: another organization's alert arrives."""

import pytest

from tests.destinations.hanging_server import open_hanging
from tests.destinations.receiver import open_receiver
from tests.fixtures.servers import Starter
from tests.fixtures.sizes import size
from tests.fixtures.waiting import wait_until
from tests.load.attack import RECORD_SECONDS, Siege

DESTINATIONS = size(8, 40)
EVENTS_PER_CALL = 20
AT_ONCE = 2


def create_destination(siege: Siege, key: str, organization: str, kind: str, **settings: object) -> str:
    """Returns the id of a destination that an owner (here the operator) has approved."""
    with siege.server.client(key) as client:
        made = client.post("/v1/destinations", json={"kind": kind, "settings": settings}).raise_for_status().json()
    siege.server.approve(organization, made["id"])
    return str(made["id"])


@pytest.mark.full_size
def test_receivers_and_mail_servers_that_hang_hold_up_no_alert_of_another_organization(start_server: Starter):
    with open_hanging() as hanging, open_hanging(b"220 mail\r\n") as mail, open_receiver() as receiver:
        server = start_server(
            TALLYSTICK_ALLOWED_TARGETS="127.0.0.0/8", TALLYSTICK_SMTP_URL=f"smtp://127.0.0.1:{mail.port}"
        )
        siege = Siege(server, "alerts", "exports")
        hung = [
            create_destination(
                siege, siege.mallory, "mallory", "webhook", url=f"http://127.0.0.1:{hanging.port}/{number}"
            )
            for number in range(DESTINATIONS)
        ]
        kept = create_destination(siege, siege.bystander, "bystander", "webhook", url=receiver.url)
        with server.client(siege.mallory) as client:
            wanted = {"name": "All", "query": "action:thing.broken", "cooldown_seconds": 0}
            for one in hung:
                client.post("/v1/alert-rules", json=wanted | {"destinations": [one]}).raise_for_status()
        with server.client(siege.bystander) as client:
            rule = {"name": "Sent", "query": "action:alarm.raised", "cooldown_seconds": 0, "destinations": [kept]}
            client.post("/v1/alert-rules", json=rule).raise_for_status()

        def attack(client, _number):
            events = [{"action": "thing.broken"} for _ in range(EVENTS_PER_CALL)]
            return client.post("/v1/audit-logs", json={"events": events})

        siege.withstand(attack, at_once=AT_ONCE)
        wait_until(lambda: receiver.requests, RECORD_SECONDS)  # nothing that hangs holds it up
        assert hanging.accepted, "the attacker's messages are tried"
        server.stop()
