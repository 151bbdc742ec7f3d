"""Back-off: when a failed delivery is attempted again, and when it is given up."""

import random
from dataclasses import dataclass

from tallystick.clock import SECOND_US


@dataclass(frozen=True, slots=True)
class Backoff:
    """The pauses between attempts.

    `seconds` holds the pause after the first failure, the second, and so on. With `give_up_after` (microseconds) the
    last pause repeats until the delivery is that old; without it the delivery is given up after the last pause.
    `jitter` lengthens each pause by a random share of up to that much, so that many deliveries do not return together.
    """

    seconds: tuple[int, ...]
    give_up_after: int | None = None
    jitter: float = 0.0

    def next_attempt(self, failures: int, created_at: int, now: int, retry_after: int | None = None) -> int | None:
        """The time of the next attempt in microseconds; None when the delivery is given up.

        `failures` counts the attempts so far; `retry_after` is the number of seconds the receiver asked for.
        """
        if self.give_up_after is None:
            if failures > len(self.seconds):
                return None
        elif now - created_at >= self.give_up_after:
            return None
        pause = max(self.seconds[min(failures, len(self.seconds)) - 1], retry_after or 0)
        return now + round(pause * random.uniform(1.0, 1.0 + self.jitter) * SECOND_US)
