"""What Prometheus sees of API, worker and recorder."""

from __future__ import annotations

import os
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.process_collector import ProcessCollector

from grading.queue import Queue

SECONDS = (0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120)
OUTCOMES = ("graded", "failed", "unavailable", "again", "lost", "interrupted")


class _Metrics:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)

    def serve(self, port: int) -> None:
        """Answer /metrics on a port of its own, which only the monitoring network reaches."""
        start_http_server(port, registry=self.registry)


class WorkerMetrics(_Metrics):
    """What a worker counts."""

    def __init__(self) -> None:
        super().__init__()
        self.outcomes = Counter(
            "grading_graded", "Attempts at grading, by outcome.", ["outcome"], registry=self.registry
        )
        for outcome in OUTCOMES:
            self.outcomes.labels(outcome)  # an alert on a rate needs the zero before the first
        self.seconds = Histogram(
            "grading_seconds", "Seconds from lease to mark.", buckets=SECONDS, registry=self.registry
        )

        self.jobs = Counter(
            "grading_jobs",
            "Attempts at jobs, by purpose and outcome.",
            ["purpose", "outcome"],
            registry=self.registry,
        )

    def job(self, purpose: str, outcome: str) -> None:
        """Count one attempt at a job."""
        self.jobs.labels(purpose, outcome).inc()

    def outcome(self, outcome: str) -> None:
        """Count one attempt."""
        self.outcomes.labels(outcome).inc()


class RecorderMetrics(_Metrics):
    """What the recorder counts."""

    def __init__(self) -> None:
        super().__init__()
        self.recorded = Counter(
            "grading_recorded", "Marks written into nbgrader's gradebook.", registry=self.registry
        )
        self.record_failures = Counter(
            "grading_record_failures", "Marks that could not be written yet.", registry=self.registry
        )


class ApiMetrics:
    """What the API counts, and what it reads from the queue when asked.

    Where PROMETHEUS_MULTIPROC_DIR names a folder, each process counts in a file there, and the registry shows
    the sum of all of them, of dead ones too.
    """

    def __init__(self, queue: Queue) -> None:
        self.registry = CollectorRegistry()
        alone = None if "PROMETHEUS_MULTIPROC_DIR" in os.environ else self.registry
        if alone is None:
            MultiProcessCollector(self.registry)  # type: ignore[no-untyped-call]
        self.receipts = Counter("grading_receipts", "Submissions taken in.", ["kind"], registry=alone)
        self.refused = Counter(
            "grading_refused", "Submissions refused, by HTTP status.", ["status"], registry=alone
        )
        for kind in ("module", "milestone"):
            self.receipts.labels(kind)
        self.registry.register(_QueueCollector(queue))


class _QueueCollector:
    """Depth and age, read from the database at each scrape: true whoever asks, and after a restart too."""

    def __init__(self, queue: Queue) -> None:
        self.queue = queue

    def describe(self) -> Iterable[Metric]:
        """Nothing: so that registering does not read the database."""
        return []

    def collect(self) -> Iterable[Metric]:
        """The queue now."""
        count, age = self.queue.waiting()
        yield GaugeMetricFamily("grading_queue_depth", "Submissions without a result.", value=count)
        yield GaugeMetricFamily(
            "grading_queue_oldest_seconds", "Seconds that the oldest of them has waited.", value=age
        )
