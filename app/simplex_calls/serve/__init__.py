"""``simplex-calls serve``: one's own servers for calls, the relay of this program and coturn, from one command.

``plan`` says what runs where, ``coturn`` writes coturn's configuration, ``certificates`` makes or checks what TURN over
TLS shows: all pure. ``supervision`` decides when a child is started again, ``children`` does it; ``folder`` keeps
secrets and files, ``health`` asks both servers what their clients ask, ``running`` brings it together, and ``cli`` is
the command.
"""
