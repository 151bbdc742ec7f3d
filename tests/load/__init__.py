"""One organization does its worst, and another one's events are recorded all the same.

Each file holds one way of attacking. `attack.Siege` (fixture `siege`) is a real server with two organizations,
`mallory` and `bystander`: `siege.withstand(attack, at_once=…)` repeats the attack in threads with mallory's key, while
the bystander records one event after the other. Each of these must be answered within ten seconds, and each request of
the attack with success, 429 or 503, the latter two with `Retry-After`. In `make chaos`, recording must also be nearly
as fast as without the attack, and the server's memory must come back.
"""
