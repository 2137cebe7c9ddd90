"""Simplex queues: the SMP protocol, both ends of its codec and the client.

Follows simplex-messaging.md and, where it is older, the official servers (protocol versions 6 to 18, ALPN ``smp/1``).
The pure half is in encoding, address, commands, messages, transmission, blocks, certificates, handshake, proxied and
body; the relay uses the same from its end. The floor above uses :class:`~simplex_calls.smp.network.Network`, which
keeps the connections to servers and routes commands to foreign ones by way of one's own,
:mod:`~simplex_calls.smp.body`, which seals and opens what travels through a queue, and
:mod:`~simplex_calls.smp.probe`, which tests servers.
"""
