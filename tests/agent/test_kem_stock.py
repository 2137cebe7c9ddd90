from __future__ import annotations

import asyncio

import pytest

from simplex_calls.agent.kem_stock import KemStock
from simplex_calls.crypto import KemPrivateKey, SystemKem
from tests.agent.peers import until


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[KemPrivateKey]:
    """The keys that were made."""
    keys: list[KemPrivateKey] = []

    def generate(_self: SystemKem) -> KemPrivateKey:
        keys.append(KemPrivateKey(len(keys).to_bytes(2, "big") + bytes(KemPrivateKey.size - 2)))
        return keys[-1]

    monkeypatch.setattr(SystemKem, "generate", generate)
    return keys


def test_without_a_loop_keys_are_made_when_asked_for(made: list[KemPrivateKey]) -> None:
    stock = KemStock()
    assert [stock.generate(), stock.generate()] == made


async def test_keys_wait_and_are_given_once(made: list[KemPrivateKey]) -> None:
    stock = KemStock(size=2, pause=0)
    stock.open()
    assert made == []
    await until(lambda: len(made) == 2)
    await asyncio.sleep(0)
    first, second = made
    assert [stock.generate(), stock.generate()] == [first, second]
    # nothing was made on the way, but there is none left now
    assert len(made) == 2
    third = stock.generate()
    assert made == [first, second, third]
    await until(lambda: len(made) == 5)
    assert stock.generate() is made[3]
    stock.close()


async def test_a_closed_stock_forgets_its_keys(made: list[KemPrivateKey]) -> None:
    stock = KemStock(size=1, pause=0)
    stock.open()
    await until(lambda: len(made) == 1)
    stock.close()
    assert stock.generate() is made[1]
    for _ in range(5):
        await asyncio.sleep(0)
    assert len(made) == 2
