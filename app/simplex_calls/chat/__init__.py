"""Chat: the local profile, contacts, texts and their history, and the messages that carry calls.

Follows the SimpleX chat protocol (``docs/protocol/simplex-chat.md``) over the agent's duplex connections. ``messages``
and ``batch`` are its pure codec, ``contacts`` and ``history`` the tables. The floor above uses
:class:`simplex_calls.chat.chat.Chat`, the facts of :mod:`simplex_calls.chat.events`, and the call messages of
:mod:`simplex_calls.chat.messages`.
"""
