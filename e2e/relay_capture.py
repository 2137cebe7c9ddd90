"""Prints where packets of UDP go that leave this network namespace, one "address port" a line, once it listens."""

from __future__ import annotations

import ipaddress
import socket
import struct

ALL_PROTOCOLS = 3
OUTGOING = 4
UDP = 17


def main() -> None:
    """Run until killed."""
    listening = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ALL_PROTOCOLS))
    print("listening", flush=True)
    while True:
        packet, (_, protocol, kind, *_) = listening.recvfrom(65536)
        if kind != OUTGOING:
            continue
        if protocol == 0x0800 and packet[9] == UDP:
            size = (packet[0] & 0xF) * 4
            target = ipaddress.ip_address(packet[16:20])
        elif protocol == 0x86DD and packet[6] == UDP:
            size = 40
            target = ipaddress.ip_address(packet[24:40])
        else:
            continue
        (port,) = struct.unpack_from("!H", packet, size + 2)
        print(target, port, flush=True)


if __name__ == "__main__":
    main()
