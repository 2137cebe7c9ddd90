"""What Prometheus reads of a relay, and what it must not."""

from __future__ import annotations

import dataclasses

import pytest
from aiohttp import ClientSession
from prometheus_client.parser import text_string_to_metric_families

from simplex_calls.relay import Limits, Relay, RelayConfig, RelayError
from simplex_calls.relay.counts import BOUNDS, Counts
from simplex_calls.relay.metrics import metrics_page
from simplex_calls.smp.commands import Ping
from simplex_calls.smp.encoding import base64url
from simplex_calls.smp.errors import ErrorCode, ServerError
from simplex_calls.smp.messages import Err, Ok, Pong
from tests.relay.blocks import BlockClient, LiveQueue, random_body

DAY = 24 * 3600


async def read(port: int) -> tuple[dict[str, float], str]:
    async with ClientSession() as session, session.get(f"http://127.0.0.1:{port}/metrics") as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=")
        text = await answer.text()
    samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(sample.labels.values())
            samples[sample.name.removeprefix("simplex_relay_") + (f"[{labels}]" if labels else "")] = sample.value
    return samples, text


async def test_what_a_relay_did() -> None:
    now = 1_700_000_000.0
    config = RelayConfig(port=0, limits=Limits(messages_per_queue=3), password="open-sesame")
    async with (
        Relay(config, clock=lambda: now) as relay,
        metrics_page("127.0.0.1", 0, relay.numbers) as port,
        await BlockClient.in_memory(relay) as alice,
        await BlockClient.in_memory(relay) as bob,
    ):
        queue = await LiveQueue.create(bob, password="open-sesame")
        with pytest.raises(AssertionError):
            await LiveQueue.create(alice)
        assert await queue.send(alice, random_body()) == Ok()
        assert len(await queue.bodies(bob)) == 1
        away = await LiveQueue.create(bob, subscribe=False, password="open-sesame")
        for _ in range(3):
            assert await away.send(alice, random_body(100)) == Ok()
        assert await away.send(alice, random_body(100)) == Err(ServerError(ErrorCode.QUOTA))
        samples, text = await read(port)
        assert samples["connections"] == samples["connections_opened_total"] == 2
        assert samples["queues"] == samples["queues_created_total"] == 2
        assert samples["messages_in_total"] == 4
        # it subscribed once more, and was sent it again
        assert samples["messages_out_total"] == 2
        assert samples["messages_acknowledged_total"] == 1
        assert samples["messages_stored"] == 4  # the mark of a full queue is one
        assert samples["refused_total[queue_full]"] == 1
        assert samples["refused_total[authorization]"] == 1
        assert samples["answer_seconds_count"] == samples["answer_seconds_bucket[+Inf]"] >= 6
        assert samples["answer_seconds_bucket[0.001]"] <= samples["answer_seconds_bucket[2.5]"]
        assert samples["process_resident_memory_bytes"] > 10e6
        # nothing of anybody
        for secret in (queue.recipient_id, queue.sender_id, away.recipient_id, away.sender_id):
            assert base64url(secret) not in text
            assert secret.hex() not in text
        assert "127.0.0.1" not in text

        now += 22 * DAY
        relay.keep_house()
        assert await bob.ask(Ping()) == Pong()  # after the turn that deleted
        assert (await read(port))[0]["messages_expired_total"] == 3


async def test_refused_connections_are_counted() -> None:
    config = RelayConfig(port=0, connections=1)
    async with Relay(config) as relay, await BlockClient.in_memory(relay):
        relay.connect_in_memory()
        numbers = relay.numbers()
        assert numbers.connections == 1
        assert numbers.counts.refused["connections"] == 1


def test_answers_are_sorted_into_buckets() -> None:
    counts = Counts()
    for seconds, count in ((0.0005, 3), (BOUNDS[0], 1), (0.003, 2), (99.0, 1)):
        counts.answered(seconds, count)
    assert counts.answer_buckets == [4, 0, 2, *[0] * (len(BOUNDS) - 3), 1]
    assert counts.answer_seconds == pytest.approx(0.0015 + 0.001 + 0.006 + 99)
    assert all(type(value) in (int, float, list, type(counts.refused)) for value in dataclasses.astuple(counts))


async def test_a_taken_port_is_told() -> None:
    async with Relay(RelayConfig(port=0)) as relay, metrics_page("127.0.0.1", 0, relay.numbers) as port:
        with pytest.raises(RelayError, match="cannot be opened for metrics"):
            async with metrics_page("127.0.0.1", port, relay.numbers):
                pass
