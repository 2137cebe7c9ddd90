"""What is done while somebody is killed, and what must be true afterwards."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from tests.torture.world import Died, Process, World, until

logger = logging.getLogger(__name__)

BAD_NOTICES = {"messages-lost", "out-of-step", "unreadable"}
UNDELIVERED = {"sending", "failed", None}
QUIET = 8.0
"""How long something may take that a killed process cannot finish."""


class Broken(AssertionError):  # noqa: N818
    """Something was lost, doubled or out of step."""


class Torture:
    """Alice and Bob, who are contacts, and a seeded source of misfortune."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.random = random.Random(seed)
        self.people: dict[str, Process] = {}
        self.contacts: dict[str, int] = {}
        """Each one's contact that is the other."""
        self.seen: dict[str, int] = {}
        """The newest item of each one's history that was checked."""
        self.stored: dict[str, list[str]] = {}
        """What each one said to have stored since."""
        self.renews = False
        """Whether keys are renewed in this round: receipts are not sent until that is done."""
        self.number = 0
        self.texts = 0
        self.kills = 0

    async def begin(self) -> None:
        """Start both, and connect them in peace."""
        for name in ("alice", "bob"):
            self.people[name] = await self.world.person(name)
        link = (await self.people["alice"].ask("invite"))["link"]
        await self.people["bob"].ask("connect", link=link)
        await self._connected()

    async def round(self) -> str:
        """One round; raises :class:`Broken`, or ``TimeoutError`` when something does not come about."""
        self.number += 1
        name = self.random.choice(("alice", "bob"))
        activities: dict[str, Callable[[str], Awaitable[None]]] = {
            "send": self._send,
            "receive": self._receive,
            "both": self._both,
            "call": self._call,
            "rotate": self._rotate,
            "resync": self._resync,
            "connect": self._connect,
        }
        self.renews = False
        what = self.random.choice(list(activities))
        by_point = self.random.random() < 0.7
        kill_at = self.random.randint(1, self.random.choice((5, 15, 60))) if by_point else None
        delay = self.random.random() ** 2 * 0.4
        relay_dies = what != "connect" and self.random.random() < 0.04
        described = f"round {self.number}: {what}, {name} dies " + (
            f"at point {kill_at}" if by_point else f"after {delay:.3f} s"
        )
        described += ", and the relay" if relay_dies else ""
        logger.info("%s", described)
        try:
            relay = asyncio.ensure_future(self._restart_relay() if relay_dies else asyncio.sleep(0))
            try:
                await self._dying(name, activities[what], kill_at, delay)
            finally:
                await relay
            await self._check()
        except Broken as error:
            raise Broken(f"{described}: {error}") from None
        except Died as error:
            raise Broken(f"{described}: the process of {error} ended by itself, its log says why") from None
        except TimeoutError:
            raise Broken(f"{described}: it does not come about; {await self._state()}") from None
        return described

    # dying

    async def _dying(
        self, name: str, activity: Callable[[str], Awaitable[None]], kill_at: int | None, delay: float
    ) -> None:
        victim = self.people[name]
        if kill_at is not None:
            await victim.ask("arm", kill_at=kill_at)
        work = asyncio.ensure_future(activity(name))
        if kill_at is None:
            await asyncio.wait([work], timeout=delay)
            await self._kill(name)
        with suppress(Died):
            await work
        await self._kill(name)
        await self._again(name)

    async def _kill(self, name: str) -> None:
        self.kills += 1
        victim = self.people[name]
        await victim.kill()
        self.stored.setdefault(name, []).extend(victim.sent)
        victim.sent.clear()

    async def _again(self, name: str) -> None:
        """Start again; sometimes that is cut short, too."""
        while self.random.random() < 0.3:
            again = await self.world.person(name, kill_at=self.random.randint(1, 20))
            with suppress(TimeoutError):
                async with asyncio.timeout(self.random.random() * 0.1):
                    await again.over.wait()
            self.people[name] = again
            await self._kill(name)
        self.people[name] = await self.world.person(name)

    async def _restart_relay(self) -> None:
        """What the relay has answered is on its disk; the clients come back by themselves."""
        await asyncio.sleep(self.random.random() * 0.3)
        await self.world.relay.kill()
        await self.world.start_relay()

    # activities: each may end by Died

    def _other(self, name: str) -> str:
        return "bob" if name == "alice" else "alice"

    async def _say(self, name: str, count: int) -> None:
        texts = []
        for _ in range(count):
            self.texts += 1
            texts.append(f"{self.number}.{self.texts} {'long ' * self.random.choice((0, 0, 0, 500))}")
        answer = await self.people[name].ask("send", contact=self.contacts[name], texts=texts)
        if "error" in answer and not (self.renews and answer["error_id"] == "client.error.keys-needed"):
            raise Broken(f"{name} cannot send: {answer}")

    async def _send(self, name: str) -> None:
        await self._say(name, self.random.randint(1, 12))
        await self._quiet(self._all_sent, name)

    async def _receive(self, name: str) -> None:
        await self._say(self._other(name), self.random.randint(1, 12))
        await self._quiet(self._all_sent, self._other(name), name)

    async def _both(self, name: str) -> None:
        other = asyncio.ensure_future(self._say(self._other(name), self.random.randint(1, 8)))
        try:
            await self._say(name, self.random.randint(1, 8))
        finally:
            await other
        await self._quiet(self._all_sent, name, name)

    async def _call(self, name: str) -> None:
        caller = self.random.choice((name, self._other(name)))
        answer = await self.people[caller].ask("call", contact=self.contacts[caller])
        if "error" in answer:
            return
        await self._quiet(self._phase({"connected"}), name, name)
        await self.people[self.random.choice((name, self._other(name)))].ask("hang up")
        await self._quiet(self._phase(set()), name, name)

    async def _rotate(self, name: str) -> None:
        """One or both replace the queue that they receive from, while texts go both ways."""
        movers = self.random.choice(([name], [self._other(name)], ["alice", "bob"]))
        try:
            for mover in movers:
                # refused while an earlier replacement, which somebody's death held up, goes on
                answer = await self.people[mover].ask("rotate", contact=self.contacts[mover])
                if "fault" in answer:
                    raise Broken(f"{mover} cannot replace the queue: {answer}")
        finally:
            await self._both(name)
        await self._quiet(self._moved, name, name)

    async def _moved(self, name: str) -> bool:
        return (await self._facts(name))["switching"] is False

    async def _resync(self, name: str) -> None:
        """One or both want new keys, while texts go both ways and sometimes a queue is replaced."""
        self.renews = True
        askers = self.random.choice(([name], [self._other(name)], ["alice", "bob"]))
        if self.random.random() < 0.25:
            await self.people[self._other(name)].ask("rotate", contact=self.contacts[self._other(name)])
        if self.random.random() < 0.5:
            await self._say(name, self.random.randint(1, 4))
        try:
            # one after the other, or at once
            await asyncio.gather(*(self.people[asker].ask("resync", contact=self.contacts[asker]) for asker in askers))
        finally:
            await self._both(name)
        await self._quiet(self._in_step, name, name)

    async def _in_step(self, name: str) -> bool:
        return bool((await self._facts(name))["sync"] == "ok")

    async def _connect(self, name: str) -> None:
        """A new pair of contacts; the old ones are removed."""
        inviter = self.random.choice((name, self._other(name)))
        joiner = self._other(inviter)
        old = dict(self.contacts)
        link = await self._invited(inviter, old)
        await self._joined(joiner, old, link)
        await self._connected(old, name)
        for who in self.random.sample(("alice", "bob"), 2):
            await self._deleted(who, old[who])
            if self.random.random() < 0.5:
                with suppress(Died):
                    await self.people[name].ask("arm", kill_at=self.random.randint(1, 12))
        await self._survive(name)

    async def _survive(self, name: str) -> None:
        if self.people[name].over.is_set():
            await self._kill(name)
            await self._again(name)

    async def _invited(self, name: str, old: dict[str, int]) -> str:
        """A one-time link, or the person's address."""
        by_address = self.random.random() < 0.4
        is_fresh = self.random.random() < 0.5
        while True:
            if by_address:
                with suppress(Died):
                    if is_fresh:
                        await self.people[name].ask("forget address")
                    return str((await self.people[name].ask("address"))["link"])
                await self._survive(name)
                continue
            with suppress(Died):
                return str((await self.people[name].ask("invite"))["link"])
            await self._survive(name)
            for contact in await self._list(name):
                if contact["id"] != old[name]:
                    if contact["status"] != "pending" or contact["link"] is None:
                        raise Broken(f"{name} has a contact that nobody can become: {contact}")
                    return str(contact["link"])

    async def _joined(self, name: str, old: dict[str, int], link: str) -> None:
        while True:
            with suppress(Died):
                answer = await self.people[name].ask("connect", link=link)
                if "error" in answer:
                    raise Broken(f"{name} cannot use a link that was cut short: {answer}")
                return
            await self._survive(name)
            if any(contact["id"] != old[name] for contact in await self._list(name)):
                return

    async def _deleted(self, name: str, contact_id: int) -> None:
        while True:
            with suppress(Died):
                if all(contact["id"] != contact_id for contact in await self._list(name)):
                    return
                await self.people[name].ask("delete", contact=contact_id)
                return
            await self._survive(name)

    # facts

    async def _list(self, name: str) -> list[dict[str, Any]]:
        return list((await self.people[name].ask("contacts"))["contacts"])

    async def _connected(self, old: dict[str, int] | None = None, victim: str | None = None) -> None:
        """Wait until both have one new contact that is connected, whoever dies meanwhile."""
        old = old or {}
        new: dict[str, int] = {}

        async def both() -> bool:
            for name in self.people:
                if victim is not None:
                    await self._survive(victim)
                found = [contact for contact in await self._list(name) if contact["id"] != old.get(name)]
                if len(found) > 1:
                    raise Broken(f"{name} has more contacts than were made: {found}")
                if not found or found[0]["status"] != "connected":
                    return False
                if not found[0]["name"].startswith(self._other(name)):
                    raise Broken(f"{name} knows the contact as {found[0]['name']}")
                new[name] = found[0]["id"]
            return True

        async def condition() -> bool:
            try:
                return await both()
            except Died:
                return False

        await until(condition, *self.people.values())
        self.contacts = new
        self.seen = dict.fromkeys(new, 0)
        for process in self.people.values():
            process.sent.clear()
        self.stored = {}

    async def _facts(self, name: str) -> dict[str, Any]:
        """What is new in one's history, and how connection and calls stand."""
        answer = await self.people[name].ask("facts", contact=self.contacts[name], after=self.seen[name])
        if "items" not in answer:
            raise Broken(f"{name} has no history: {answer}")
        return answer

    async def _all_sent(self, name: str) -> bool:
        return not any(item["delivery"] in UNDELIVERED for item in _texts(await self._facts(name), "sent"))

    def _phase(self, states: set[str]) -> Callable[[str], Awaitable[bool]]:
        """Whether a person's calls that are not over are in these states."""

        async def condition(name: str) -> bool:
            return _calls(await self._facts(name)) == states

        return condition

    async def _quiet(self, condition: Callable[[str], Awaitable[bool]], name: str, victim: str | None = None) -> None:
        """Wait for something that the death of the other one may prevent."""
        with suppress(TimeoutError):
            process = self.people[name]

            async def now() -> bool:
                return (victim is not None and self.people[victim].over.is_set()) or await condition(name)

            await until(now, process, *([self.people[victim]] if victim else []), seconds=QUIET)

    # checking

    async def _check(self) -> None:
        """Send a text each way, which arrives after all others; then both histories tell the same."""
        if self.renews:
            # nothing can be sent before
            await until(self._both_in_step, *self.people.values())
        for name in self.people:
            self.texts += 1
            answer = await self.people[name].ask(
                "send", contact=self.contacts[name], texts=[f"{self.number}.{self.texts} over"]
            )
            if "error" in answer:
                raise Broken(f"{name} cannot send: {answer}")
        facts: dict[str, dict[str, Any]] = {}

        async def settled() -> bool:
            for name in self.people:
                facts[name] = await self._facts(name)
            if all(_calls(known) for known in facts.values()):
                # it was set up after all: somebody ends it. One that a single side still sees must end by itself
                await self.people[self.random.choice(list(self.people))].ask("hang up")
            return all(self._is_settled(known) for known in facts.values())

        await until(settled, *self.people.values())
        items = {name: known["items"] for name, known in facts.items()}
        for name, person in self.people.items():
            other = self._other(name)
            sent = [item["text"] for item in _texts(facts[name], "sent")]
            received = [item["text"] for item in _texts(facts[other], "received")]
            if sent != received:
                raise Broken(f"{name} sent {_short(sent)}, {other} received {_short(received)}")
            stored = self.stored.pop(name, []) + person.sent
            person.sent.clear()
            if missing := [text for text in stored if text not in sent]:
                raise Broken(f"{name} stored {_short(missing)}, which is gone")
            notices = [item for item in items[name] if item["kind"] == "notice" and item["notice"] in BAD_NOTICES]
            if notices:
                raise Broken(f"{name} was told: {notices}")
            if items[name]:
                self.seen[name] = items[name][-1]["id"]

    def _is_settled(self, known: dict[str, Any]) -> bool:
        """Whether all has arrived, with a receipt, and nothing is under way."""
        done = {"sent", "received"} if self.renews else {"received"}
        overs = [item for item in known["items"] if item["kind"] == "text" and item["text"].endswith(" over")]
        return (
            len(overs) == 2
            and all(item["delivery"] in done for item in _texts(known, "sent"))
            and not _calls(known)
            and not known["switching"]
            and known["sync"] == "ok"
        )

    async def _both_in_step(self) -> bool:
        return all([await self._in_step(name) for name in self.people])

    async def _state(self) -> str:
        """What a report needs."""
        state = {}
        for name, person in self.people.items():
            with suppress(Died, TimeoutError, Broken):
                async with asyncio.timeout(2):
                    state[name] = {
                        "over": person.over.is_set(),
                        "contacts": await self._list(name),
                        **(facts := await self._facts(name)),
                        "items": facts["items"][-12:],
                        "events": person.events[-12:],
                    }
        return repr(state)


def _short(texts: list[str]) -> list[str]:
    return [text[:12] for text in texts]


def _texts(facts: dict[str, Any], direction: str) -> list[dict[str, Any]]:
    return [item for item in facts["items"] if item["kind"] == "text" and item["direction"] == direction]


def _calls(facts: dict[str, Any]) -> set[str]:
    return set(facts["calls"]) - {"ended"}
