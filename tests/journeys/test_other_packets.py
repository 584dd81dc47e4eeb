"""Two packets of one address are never one journey where their bytes, or their protocols, say otherwise."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from walks import PROCESS, SOFTIRQ, Hop, table_of

from perfpath.diagnostics import Diagnostics
from perfpath.firstbytes import FirstBytes
from perfpath.journeys.tracker import Options, Result, follow
from perfpath.packets.headers import packed

TX, RX, UP, GRO = "net_dev_queue", "netif_rx", "netif_receive_skb_entry", "napi_gro_receive_entry"
A4, B4, A6, B6 = bytes([198, 18, 0, 1]), bytes([198, 18, 0, 2]), bytes(15) + b"\x01", bytes(15) + b"\x02"
FOUR, SIX = 0x0800, 0x86DD
UDP, ESP, ICMP, ICMP6, IGMP, TCP = 17, 50, 1, 58, 2, 6


def ip4(proto: int, body: bytes, ident: int = 0) -> bytes:
    return FOUR.to_bytes(2) + struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), ident, 0, 64, proto, 0) + A4 + B4 + body


def ip6(proto: int, body: bytes) -> bytes:
    return SIX.to_bytes(2) + struct.pack("!IHBB", 6 << 28, len(body), proto, 64) + A6 + B6 + body


def udp(body: bytes, port: int = 9000) -> bytes:
    return struct.pack("!HHHH", 5000, port, 8 + len(body), 0) + body


def tcp(seq: int, body: bytes = b"") -> bytes:
    return struct.pack("!HHIIBBHHH", 5000, 80, seq, 7, 0x50, 0x18, 100, 0, 0) + body


ECHO = ip4(ICMP, struct.pack("!BBHHH", 8, 0, 0, 77, 1) + bytes(56), 4711)
ECHO6 = ip6(ICMP6, struct.pack("!BBHHH", 128, 0, 0, 77, 1) + bytes(56))
REPORT = ip6(ICMP6, bytes([143, 0, 0, 0, 0, 0, 0, 1]) + bytes(28))
JOIN = ip4(IGMP, bytes(16))
ARP = (0x0806).to_bytes(2) + struct.pack("!HHBBH", 1, FOUR, 6, 4, 1) + bytes(6) + A4 + bytes(6) + B4
QUERY, LONGER, SEGMENT = ip4(UDP, udp(b"q" * 30)), ip4(UDP, udp(b"r" * 36)), ip4(TCP, tcp(1000, b"x" * 10))
SEALED = ip4(UDP, udp(b"\x04\0\0\0" + b"\xa5" * (len(ECHO) - 2 + 28), 51820))
ENCRYPTED = ip4(ESP, b"\xa5" * (len(ECHO) - 2 + 30))


def walk(*steps: tuple[float, str, str, bytes], flags: int = PROCESS, **more: Any) -> Result:
    """Follow hops of one address that show these packets (from the ethertype on); a frame is 12 bytes more."""
    hops = [
        Hop(
            int(1e9 + at * 1000),
            0,
            event,
            dev,
            0xFFFF888100000100,
            len(packet) + (12 if event == TX else -2),
            *_by(flags),
        )
        for at, event, dev, packet in steps
    ]
    bytes_of = FirstBytes()
    bytes_of.add(_packets([packet for *_, packet in steps]))
    table = table_of(hops).extended(packet=np.arange(len(hops)))
    return follow(table, None, Diagnostics(), Options(packets=bytes_of), **more)


def _by(flags: int) -> tuple[int, int, int, int, int]:
    return flags, 0, 7, 0, 0


def _packets(packets: list[bytes]) -> Any:
    from perfpath import firstbytes

    headers = packed([bytes(12) + packet for packet in packets])
    size = len(packets)
    return firstbytes.packed(
        headers.raw,
        headers.captured,
        layer=np.full(size, firstbytes.ETHERNET),
        ethertype=np.zeros(size, np.uint16),
        network=np.full(size, 14),
        length=np.array([12 + len(packet) for packet in packets]),
    )


def sizes(result: Result) -> list[int]:
    found: list[int] = result.journeys["hops"].tolist()
    return found


@pytest.mark.parametrize("flags", [PROCESS, SOFTIRQ, -1])
@pytest.mark.parametrize(
    ("first", "second"),
    [(ECHO, REPORT), (ECHO, ARP), (ARP, REPORT), (JOIN, ECHO6), (QUERY, REPORT), (QUERY, LONGER), (SEGMENT, REPORT)],
)
def test_another_packet_on_a_recycled_address_is_cut_off(first: bytes, second: bytes, flags: int) -> None:
    """A kernel thread sends it, a millisecond later: nothing but its bytes tells."""
    found = walk(
        (0, TX, "v1", first), (2, RX, "e1", first), (1302, TX, "e2", second), (1305, RX, "v2", second), flags=flags
    )
    assert sizes(found) == [2, 2]
    assert found.journeys["complete"].all()


@pytest.mark.parametrize("wrapped", [SEALED, ENCRYPTED])
def test_what_a_tunnel_made_of_a_packet_is_still_that_packet(wrapped: bytes) -> None:
    """Nobody can read what is in it: it may be in it."""
    assert sizes(walk((0, TX, "wg0", ECHO), (5, TX, "eth0", wrapped))) == [2]
    assert sizes(walk((0, RX, "e1", ECHO), (5, TX, "eth0", wrapped), flags=SOFTIRQ)) == [2]


@pytest.mark.parametrize("other", [REPORT, ARP, JOIN, SEGMENT])
def test_what_no_tunnel_wraps_a_packet_in_isn_t_that_packet(other: bytes) -> None:
    longer = other + bytes(max(0, len(ECHO) + 40 - len(other)))
    assert sizes(walk((0, RX, "e1", ECHO), (5, TX, "eth0", longer), flags=SOFTIRQ)) == [1, 1]


def test_a_packet_is_translated_between_versions_of_ip() -> None:
    assert sizes(walk((0, RX, "e1", ECHO), (5, TX, "eth0", ECHO6), flags=SOFTIRQ)) == [2]
    assert sizes(walk((0, RX, "e1", ECHO), (5, TX, "eth0", ip6(TCP, tcp(1) + bytes(44))), flags=SOFTIRQ)) == [1, 1]


def test_a_rewritten_payload_may_be_the_same_packet_and_is_not_certain() -> None:
    """A helper of NAT makes it longer, and the IP id stays."""
    short, long = ip4(UDP, udp(b"a" * 30), 99), ip4(UDP, udp(b"b" * 36), 99)
    found = walk((0, RX, "e1", short), (5, TX, "eth0", long), flags=SOFTIRQ)
    assert sizes(found) == [2]
    assert found.journeys["uncertain"].tolist() == [True]
    assert found.journeys["complete"].tolist() == [False]


def _protocols(*steps: tuple[Any, ...], flags: int = -1) -> Result:
    hops = [
        Hop(int(1e9 + at * 1000), 0, event, dev, 0xFFFF888100000100, length, *_by(flags))
        for at, event, dev, length, _ in steps
    ]
    table = table_of(hops).extended(protocol=np.array([step[4] for step in steps], np.uint16))
    return follow(table, None, Diagnostics())


def test_another_protocol_is_another_packet_without_any_bytes() -> None:
    up, out = (0, UP, "br1", 84, FOUR), (500, TX, "v2", 90, 0)
    assert sizes(_protocols(up, out, (505, UP, "e2", 76, SIX))) == [1, 2]
    assert sizes(_protocols(up, out, (505, UP, "e2", 76, FOUR))) == [3]
    assert sizes(_protocols(up, (9, TX, "v2", 118, 0), (14, UP, "e2", 104, SIX))) == [3]  # 20 bytes: 4in6, NAT64
    assert _protocols(up, out, (505, UP, "e2", 76, SIX)).journeys.texts("cut")[0] == "protocol"


def test_companions_without_hops_are_no_packets() -> None:
    assert (
        sizes(_protocols((501, "net_dev_start_xmit", "v2", 90, SIX), (502, "napi_gro_frags_entry", "v2", 90, SIX)))
        == []
    )


def test_companions_tell_the_protocol_too() -> None:
    started = (501, "net_dev_start_xmit", "v2", 90, SIX)
    entered = (0, "netif_rx_entry", "e1", 84, FOUR)
    came = (1, RX, "e1", 84, 0)
    assert sizes(_protocols(entered, came, (500, TX, "v2", 90, 0), started, (505, RX, "e2", 76, 0))) == [1, 2]
    other = (501, "net_dev_start_xmit", "v2", 90, FOUR)
    assert sizes(_protocols(entered, came, (500, TX, "v2", 90, 0), other, (505, RX, "e2", 76, 0))) == [3]


PING = ((0.0, TX, "br1", 98, 0), (3.0, TX, "v1", 98, 0), (5.0, RX, "eth0", 84, 0))


def test_without_flags_what_is_sent_later_is_taken_for_another_packet() -> None:
    """perf trace's text says neither the CPU nor whether a process sent: an address of old is likelier a new packet."""
    again = ((9000.0, TX, "br2", 98, 0), (9003.0, TX, "v2", 98, 0), (9005.0, RX, "eth1", 84, 0))
    found = _protocols(*PING, *again)
    assert sizes(found) == [3, 3]
    assert not found.journeys["uncertain"].any()


def test_without_flags_what_is_sent_soon_is_uncertain_unless_it_is_what_happened_next() -> None:
    routed = ((12.0, TX, "v2", 98, 0), (14.0, RX, "eth1", 84, 0))
    assert _protocols(*PING, *routed).journeys["uncertain"].tolist() == [False]
    late = tuple((at + 300, *more) for at, *more in routed)
    assert _protocols(*PING, *late).journeys["uncertain"].tolist() == [True]
    assert _protocols(*PING, *late).journeys["complete"].tolist() == [False]


def test_without_flags_a_packet_that_waited_for_an_address_is_still_one() -> None:
    asked = Hop(int(1e9 + 600_000), 0, TX, "v2", 0xFFFF888100000800, 42, *_by(-1))
    told = Hop(int(1e9 + 1_200_000), 0, RX, "v2", 0xFFFF888100000900, 28, *_by(-1))
    hops = [
        Hop(int(1e9 + at * 1000), 0, event, dev, 0xFFFF888100000100, length, *_by(-1))
        for at, event, dev, length, _ in (*PING, (1210.0, TX, "v2", 98, 0))
    ]
    found = follow(table_of([*hops[:3], asked, told, *hops[3:]]), None, Diagnostics())
    assert sorted(sizes(found)) == [1, 1, 4]


def test_without_flags_a_chain_that_comes_round_is_uncertain() -> None:
    """Tracing began while a packet was under way: its way's own beginning isn't known, and can't be what repeats."""
    rest = PING[1:]
    again = tuple((at + 40 * lap, *more) for lap in (1, 2) for at, *more in PING)
    assert _protocols(*rest, *again).journeys["uncertain"].tolist()[0]
    assert not _protocols(*PING).journeys["uncertain"].any()
