"""The monitor of this process: disk, pools, background work, and whether the databases answer."""

import time
from collections.abc import Mapping, Sequence

from tallystick import telemetry
from tallystick.database.engine import Database
from tallystick.monitoring.probe import INTERVAL_SECONDS, Probe
from tallystick.store.events import EventStore
from tallystick.work.background import Background, Worker
from tallystick.work.disk_space import DiskSpace
from tallystick.work.fair_thread_pool import FairThreadPool
from tallystick.work.request_pools import RequestPools


class ProcessMonitor(Background):
    """Measures what this process knows of itself, and waits for nothing."""

    def __init__(
        self,
        disk: DiskSpace,
        connections: Mapping[str, Database | EventStore],
        pools: RequestPools,
        workers: Sequence[Worker],
        store_probe: Probe,
        database_probe: Probe,
    ) -> None:
        """`connections`: by the name of the pool. `workers`: all of this process, the probes included."""
        super().__init__("process_monitor", idle_seconds=INTERVAL_SECONDS)
        self._disk = disk
        self._connections = connections
        self._pools: dict[str, FairThreadPool] = {
            "requests": pools.short, "searches": pools.searches, "analyses": pools.analyses
        }  # fmt: skip
        self._workers = workers
        self._store_probe = store_probe
        self._database_probe = database_probe

    def step(self) -> bool:
        """Measure once; always False."""
        telemetry.store_up.set(self._store_probe.is_answering())
        telemetry.database_up.set(self._database_probe.is_answering())
        telemetry.disk_free_bytes.set(self._disk.free())
        telemetry.disk_least_free_bytes.set(self._disk.least_bytes)
        for name, one in self._connections.items():
            used, size = one.connections()
            telemetry.pool_used.labels(name).set(used)
            telemetry.pool_size.labels(name).set(size)
        for name, pool in self._pools.items():
            telemetry.pool_used.labels(name).set(pool.turns.in_use)
            telemetry.pool_size.labels(name).set(pool.turns.places)
        now = time.monotonic()
        for worker in self._workers:
            name, began_at = str(worker), worker.step_began_at
            telemetry.background_failing.labels(name).set(worker.failures)
            telemetry.background_step_seconds.labels(name).set(0.0 if began_at is None else now - began_at)
            if (role := worker.has_role()) is not None:
                telemetry.node_role.labels(name).set(role)
        return False
