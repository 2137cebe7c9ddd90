"""The relay's numbers for Prometheus, at ``/metrics``.

The relay counts in plain integers, which cost nothing; what Prometheus reads is made of them when it asks.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import accumulate

from aiohttp import web
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from simplex_calls.relay.config import RelayError
from simplex_calls.relay.counts import BOUNDS, REASONS
from simplex_calls.relay.server import Numbers

_PREFIX = "simplex_relay_"


class RelayCollector(Collector):
    """Metrics of a relay; ``numbers`` gives what they are made of."""

    def __init__(self, numbers: Callable[[], Numbers]) -> None:
        self._numbers = numbers

    def collect(self) -> Iterator[Metric]:
        """All metrics, as they are now."""
        now = self._numbers()
        counts = now.counts
        for name, words, value in (
            ("connections", "Clients that are connected", now.connections),
            ("queues", "Queues", now.queues),
            ("messages_stored", "Messages that wait for their recipients", now.messages),
            ("disk_full", "Whether the disk is full: messages are received and deleted, not sent", int(now.is_full)),
        ):
            yield GaugeMetricFamily(_PREFIX + name, words, value)
        for name, words, value in (
            ("messages_in", "Messages accepted from senders", counts.messages_in),
            ("messages_out", "Messages sent to recipients, repetitions too", counts.messages_out),
            ("messages_acknowledged", "Messages that recipients acknowledged", counts.messages_acknowledged),
            ("messages_expired", "Messages deleted because they were too old", counts.messages_expired),
            ("queues_created", "Queues created", counts.queues_created),
            ("queues_deleted", "Queues deleted", counts.queues_deleted),
            ("connections_opened", "Connections admitted", counts.connections_opened),
        ):
            yield CounterMetricFamily(_PREFIX + name, words, value)
        refused = CounterMetricFamily(
            _PREFIX + "refused", "Commands refused, connections refused, clients disconnected", labels=["reason"]
        )
        for reason in REASONS:
            refused.add_metric([reason], counts.refused[reason])
        yield refused
        bounds = [*(str(bound) for bound in BOUNDS), "+Inf"]
        yield HistogramMetricFamily(
            _PREFIX + "answer_seconds",
            "From carrying a command out to its answer, which waits for the disk",
            buckets=list(zip(bounds, map(float, accumulate(counts.answer_buckets)), strict=True)),
            sum_value=counts.answer_seconds,
        )


@asynccontextmanager
async def metrics_page(host: str, port: int, numbers: Callable[[], Numbers]) -> AsyncIterator[int]:
    """Serve ``/metrics`` while the context is open, at the port that is given; raises :class:`RelayError`."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(RelayCollector(numbers))
    ProcessCollector(registry=registry)

    async def tell(_request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.router.add_get("/metrics", tell)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except (OSError, UnicodeError):
            raise RelayError(f"port {port} of {host} cannot be opened for metrics: choose another one") from None
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
