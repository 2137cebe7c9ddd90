"""Short links: what the recipient puts behind one, and what senders find there.

Source: simplex-messaging.md, "Short links", and what servers of version 18 do. The data of all links together, and what
one client may put there, are limited by bytes: unlike messages, nobody ever takes them away.
"""

from __future__ import annotations

from simplex_calls.relay import answers
from simplex_calls.relay.records import Queue
from simplex_calls.relay.rules import is_secured_messaging
from simplex_calls.relay.sessions import Session
from simplex_calls.relay.state import RelayState
from simplex_calls.smp import messages
from simplex_calls.smp.commands import LinkData, LinkRequest, sender_id_for
from simplex_calls.smp.messages import BrokerMessage, Err, Ok


class Links:
    """The short links of all queues."""

    def __init__(self, state: RelayState) -> None:
        self._state = state

    def refusal(self, session: Session, link: LinkRequest, corr_id: bytes) -> Err | None:
        """Why a queue cannot be made with this link; None: it can, and what it takes is counted."""
        # so nobody can find out, by trying, whether there is a queue with an id that is known from elsewhere
        if link.sender_id != sender_id_for(corr_id):
            return answers.PROHIBITED
        queues = self._state.queues
        if queues.is_taken(link.sender_id) or (link.link_id is not None and queues.is_taken(link.link_id)):
            return answers.AUTH
        return None if self._has_room(session, link.data, 0) else answers.LINKS_FULL

    def add(self, queue: Queue, data: LinkData) -> None:
        """Store the data of a new queue's link."""
        self._put(queue, data)

    def set(self, session: Session, queue: Queue, link_id: bytes, data: LinkData) -> BrokerMessage:
        """LSET."""
        state = self._state
        if is_secured_messaging(queue):
            return answers.AUTH
        if queue.link_id is None:
            if state.queues.is_taken(link_id):
                return answers.AUTH
        else:
            current = state.store.link(queue)
            # what the link's hash covers never changes
            if queue.link_id != link_id or current is None or current.fixed != data.fixed:
                return answers.AUTH
        if state.is_full:
            return answers.DISK_FULL
        if not self._has_room(session, data, queue.link_size):
            return answers.LINKS_FULL
        queue.link_id = link_id
        state.queues.by_link[link_id] = queue
        self._put(queue, data)
        state.change(queue)
        return Ok()

    def delete(self, queue: Queue) -> None:
        """LDEL, and what happens to a one-time link that was used."""
        if queue.link_id is not None:
            state = self._state
            del state.queues.by_link[queue.link_id]
            queue.link_id = None
            self._put(queue, None)
            state.change(queue)

    def get(self, queue: Queue) -> BrokerMessage:
        """The answer to LGET and LKEY."""
        data = self._state.store.link(queue)
        return answers.AUTH if data is None else messages.Lnk(queue.sender_id, data)

    def _put(self, queue: Queue, data: LinkData | None) -> None:
        queues = self._state.queues
        queues.link_bytes -= queue.link_size
        queue.link_size = 0 if data is None else _size(data)
        queues.link_bytes += queue.link_size
        self._state.store.put_link(queue, data)

    def _has_room(self, session: Session, data: LinkData, instead_of: int) -> bool:
        size = _size(data)
        total = self._state.queues.link_bytes - instead_of + size
        return total <= self._state.limits.link_bytes and session.may_put(size)


def _size(data: LinkData) -> int:
    return len(data.fixed) + len(data.user)
