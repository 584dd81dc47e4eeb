#!/usr/bin/env python3
"""How long a million headers take to join to hops, decode, digest and filter, as ratios to copying the bytes once.

python scripts/bench_packets.py [PACKETS]: a mix of TCP, UDP, ICMP, IPv6, VLAN, ARP and VXLAN, 128 bytes each.
"""

from __future__ import annotations

import struct
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from perfpath import schema
from perfpath.diagnostics import Diagnostics
from perfpath.firstbytes import FirstBytes, packed
from perfpath.packets.decode import decode
from perfpath.packets.headers import Headers
from perfpath.packets.identity import digests
from perfpath.packets.joiner import Joiner
from perfpath.packets.match import parse
from perfpath.tables import Names, Table

if TYPE_CHECKING:
    from collections.abc import Callable

BATCH = 1 << 15
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


def sighted(given: Headers) -> tuple[Table, Table]:
    """EVENTS and the SIGHTINGS of packet sockets: half as many packets, sent on one device and received on the next."""
    count = len(given)
    number, received = np.arange(count), np.arange(count) % 2
    names = {"dev": Names(["veth0", "eth0"]), "event": Names(["net_dev_queue", "netif_rx"])}
    time, length = number * 1000, np.repeat(given.captured[::2], 2)[:count].astype(np.int64)
    shared: dict[str, Any] = {"dev": received, "cpu": np.zeros(count, np.int16)}
    hops = {"time_ns": time, "event": received, "skbaddr": number // 2 % 2000 << 8, "len": length - 14 * received}
    events = Table.filled(schema.EVENTS, count, names, **shared, **hops)
    packet = packed(
        given.raw,
        given.captured,
        layer=given.layer,
        ethertype=given.ethertype,
        network=np.full(count, 14),
        length=length,
    )
    seen = {"time_ns": time + np.where(received, -100, 300), "tx": received == 0, "len": length}
    seen |= {"netns": 4026531840 + received, "ifindex": 2 + received}
    sightings = Table.filled(schema.SIGHTINGS, count, {"dev": names["dev"]}, **shared, **seen)
    return events, sightings.extended(packet=packet)


def joined(events: Table, sightings: Table) -> None:
    """Join them as they come, some ten thousand at a time. Raises SystemExit where not all find theirs."""
    joiner, found = Joiner(FirstBytes(), Diagnostics()), 0
    for start in range(0, len(events), BATCH):
        rows = slice(start, start + BATCH)
        some = joiner.feed(events.take(rows), sightings.take(rows), int(events["time_ns"][rows][-1]))
        found += int(np.count_nonzero(some["netns"]))
    last = joiner.close(events.take(slice(0, 0)), sightings.take(slice(0, 0)))
    if found + np.count_nonzero(last["netns"]) < 0.99 * len(events):
        raise SystemExit("bench: hops didn't find their sightings")


def best(action: Callable[[], object]) -> float:
    """Seconds of CPU time of the fastest of five runs: what else runs beside it counts less then."""
    times = []
    for _ in range(5):
        start = time.process_time()
        action()
        times.append(time.process_time() - start)
    return min(times)


def main() -> None:
    """Measure and print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    given = headers(count)
    packets, pairs = decode(given), sighted(given)
    expression = parse("tcp and host 172.17.0.2 and not port 22 or icmp")
    copied = best(given.raw.copy)
    rows = (
        ("copy the bytes", given.raw.copy),
        ("join to hops", lambda: joined(*pairs)),
        ("decode", lambda: decode(given)),
        ("digests", lambda: digests(packets, given)),
        ("--match", lambda: expression.select(packets.outer)),
    )
    for name, action in rows:
        seconds = best(action)
        print(f"{name:16} {seconds * 1e6 / count:6.3f} s per million  {seconds / copied:5.1f} x copy")


if __name__ == "__main__":
    main()
