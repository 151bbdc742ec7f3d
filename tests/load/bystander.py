"""Records events one after the other and prints how long each took, in a process of its own.

    python -m tests.load.bystander URL COUNT PAUSE BOUND < key

Beside an attack in threads of the same interpreter, a request would wait for these threads and not for the server.
Prints a JSON list of seconds. Fails where an event is not recorded within BOUND seconds.
"""

import json
import sys
import time

import httpx


def main(url: str, count: int, pause: float, bound: float) -> None:
    seconds = []
    headers = {"Authorization": f"Bearer {sys.stdin.read().strip()}"}
    with httpx.Client(base_url=url, headers=headers, timeout=bound) as client:
        for _ in range(count):
            began = time.monotonic()
            answer = client.post("/v1/audit-logs", json={"action": "project.created"})
            seconds.append(time.monotonic() - began)
            assert answer.status_code == 201, answer.text
            time.sleep(pause)
    print(json.dumps(seconds))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4]))
