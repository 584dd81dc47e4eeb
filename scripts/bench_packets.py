#!/usr/bin/env python3
"""How long a million headers take to decode, digest and filter, as a ratio to copying the same bytes once.

python scripts/bench_packets.py [PACKETS]: a mix of TCP, UDP, ICMP, IPv6, VLAN, ARP and VXLAN, 128 bytes each.
"""

from __future__ import annotations

import struct
import sys
import time
from typing import TYPE_CHECKING

import numpy as np

from perfpath.packets.decode import decode
from perfpath.packets.headers import Headers
from perfpath.packets.identity import digests
from perfpath.packets.match import parse

if TYPE_CHECKING:
    from collections.abc import Callable

ETHERNET = bytes.fromhex("02000000000102000000000b")


def ipv4(protocol: int, body: bytes) -> bytes:
    """An Ethernet frame with an IPv4 packet."""
    header = struct.pack(">BBHHHBBHII", 0x45, 0, 20 + len(body), 1, 0, 64, protocol, 0, 0xAC110001, 0xAC110002)
    return ETHERNET + b"\x08\x00" + header + body


def mix() -> list[tuple[int, bytes]]:
    """How often of 20, and the packet."""
    tcp = struct.pack(">HHIIHHHH", 40000, 443, 1, 2, 0x8018, 502, 0, 0) + bytes(12 + 60)
    udp = struct.pack(">HHHH", 40001, 53, 68, 0) + bytes(60)
    echo = struct.pack(">BBHHH", 8, 0, 0, 17146, 1) + bytes(56)
    vxlan = struct.pack(">HHHHII", 40002, 4789, 16 + 98, 0, 0x08000000, 42 << 8) + ipv4(1, echo)
    ipv6 = struct.pack(">IHBB", 6 << 28, len(tcp), 6, 64) + bytes(15) + b"\1" + bytes(15) + b"\2"
    arp = struct.pack(">HHHBBH", 0x0806, 1, 0x0800, 6, 4, 1) + bytes(20)
    plain = ipv4(17, udp)
    return [
        (8, ipv4(6, tcp)),
        (4, plain),
        (2, ipv4(1, echo)),
        (3, ETHERNET + b"\x86\xdd" + ipv6 + tcp),
        (1, plain[:12] + b"\x81\x00\x00\x05" + plain[12:]),
        (1, ETHERNET + arp),
        (1, ipv4(17, vxlan)),
    ]


def headers(count: int) -> Headers:
    """The mix, shuffled, as a capture of 128 bytes each."""
    templates = [packet[:128].ljust(128, b"\0") for share, packet in mix() for _ in range(share)]
    lengths = np.array([len(packet) for share, packet in mix() for _ in range(share)])
    choice = np.random.default_rng(1).integers(0, len(templates), count)
    raw = np.frombuffer(b"".join(templates), np.uint8).reshape(-1, 128)[choice]
    two, zero = np.full(count, 2, np.int8), np.zeros(count, np.uint16)
    return Headers(raw, np.minimum(lengths, 128)[choice], two, zero, length=lengths[choice])


def best(action: Callable[[], object]) -> float:
    """Seconds of the fastest of five runs."""
    times = []
    for _ in range(5):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    """Measure and print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    given = headers(count)
    packets = decode(given)
    expression = parse("tcp and host 172.17.0.2 and not port 22 or icmp")
    copied = best(given.raw.copy)
    rows = (
        ("copy the bytes", given.raw.copy),
        ("decode", lambda: decode(given)),
        ("digests", lambda: digests(packets, given)),
        ("--match", lambda: expression.select(packets.outer)),
    )
    for name, action in rows:
        seconds = best(action)
        print(f"{name:16} {seconds * 1e6 / count:6.3f} s per million  {seconds / copied:5.1f} x copy")


if __name__ == "__main__":
    main()
