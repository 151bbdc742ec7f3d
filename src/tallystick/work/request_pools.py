"""The thread pools of requests, by what they do."""

import os
import threading

from tallystick.work.fair_limiter import Shares
from tallystick.work.fair_thread_pool import FairThreadPool

# A search computes in the event store and then in Python: more of them than cores only wait for each other, and what
# records waits with them.
SEARCHES = (os.cpu_count() or 1) + 1
SHORT_THREADS = 8
ANALYSES = 2  # each may use a few hundred megabytes
ANALYSIS_SECONDS = 20.0


class RequestPools:
    """Thread pools that requests share, each fair between organizations; recording, sign-in and workers have others.

    `short`: reads and changes of the control database. `searches`: whatever reads the event store or computes over
    events. `analyses`: back-tests and the tests of rule files, which take seconds.
    """

    def __init__(self, searches: int) -> None:
        """`searches`: how many run at once at most, however many cores there are.

        Whatever computes for long ends once `stopping` is set.
        """
        self.stopping = threading.Event()
        self.short = FairThreadPool(Shares.of(SHORT_THREADS, waiting=200), "requests", self.stopping)
        self.searches = FairThreadPool(Shares.of(min(searches, SEARCHES)), "searches", self.stopping)
        self.analyses = FairThreadPool(
            Shares.of(ANALYSES, waiting=20, seconds=ANALYSIS_SECONDS), "back-tests", self.stopping
        )
