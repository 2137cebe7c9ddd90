"""Simplex queues: the SMP protocol, both ends of its codec and the client.

Follows simplex-messaging.md (protocol version 9, ALPN ``smp/1``). The pure half is in encoding, address, commands,
messages, transmission, certificates, handshake and body; the relay uses the same from its end. The floor above uses
:class:`~simplex_calls.smp.network.Network`, which keeps one connection per server for all queues there, and
:mod:`~simplex_calls.smp.body`, which seals and opens what travels through a queue.
"""
