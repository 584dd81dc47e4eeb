"""Filters by contents, as options have them."""

from __future__ import annotations

import struct

import numpy as np
import packet_bytes as made
import pytest

from perfpath.errors import UsageError
from perfpath.firstbytes import ETHERNET, packed
from perfpath.packets.filters import OPTIONS, wanted
from perfpath.packets.truth import FALSE, TRUE, UNKNOWN


def asked(option: str, value: str, *packets: bytes) -> list[int]:
    raw = np.stack([np.frombuffer(packet[:128].ljust(128, b"\0"), np.uint8) for packet in packets])
    length = np.array([len(packet) for packet in packets])
    one = {name: np.full(len(packets), number) for name, number in (("layer", ETHERNET), ("ethertype", 0))}
    given = packed(raw, np.minimum(length, 128), network=np.full(len(packets), -1), length=length, **one)
    found: list[int] = wanted(option, [value]).truth(given).tolist()
    return found


def udp(src: str, sport: int, dst: str, dport: int) -> bytes:
    return made.ethernet(0x0800, made.ipv4(17, struct.pack(">HHHH", sport, dport, 9, 0) + b"x", src, dst))


def udp6(src: str, sport: int, dst: str, dport: int) -> bytes:
    return made.ethernet(0x86DD, made.ipv6(17, struct.pack(">HHHH", sport, dport, 9, 0) + b"x", src, dst))


THERE, BACK = udp("10.0.0.1", 40000, "10.0.0.2", 53), udp("10.0.0.2", 53, "10.0.0.1", 40000)
ELSEWHERE = udp("10.0.0.1", 40000, "10.0.0.3", 53)
ERROR = made.ethernet(0x0800, made.ipv4(1, struct.pack(">BBHI", 3, 3, 0, 0) + THERE[14:], "10.0.9.9", "10.0.0.1"))
SIX = udp6("fd00::1", 40000, "fd00::2", 53)


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("--host", "10.0.0.2", "++---"),
        ("--host", "fd00::2", "----+"),
        ("--net", "10.0.0.2/31", "+++--"),
        ("--net", "10.0.9", "---+-"),
        ("--port", "53", "+++-+"),
        ("--port", "domain", "+++-+"),
        ("--port", "50-60", "+++-+"),
        ("--proto", "icmp", "---+-"),
        ("--proto", "17", "+++-+"),
        ("--proto", "ip6", "----+"),
        ("--flow", "10.0.0.1-10.0.0.2", "++-+-"),
        ("--flow", "10.0.0.2:53-10.0.0.1:40000", "++-+-"),
        ("--flow", "10.0.0.2:54-10.0.0.1:40000", "-----"),
        ("--flow", "[fd00::1]:40000-[fd00::2]:53", "----+"),
        ("--flow", "fd00::2-fd00::1", "----+"),
        ("--match", "udp and not host 10.0.0.2", "--+-+"),
    ],
)
def test_each_option(option: str, value: str, expected: str) -> None:
    answers = asked(option, value, THERE, BACK, ELSEWHERE, ERROR, SIX)
    assert ["-?+"[answer] for answer in answers] == list(expected)


def test_what_was_not_captured_is_not_known() -> None:
    assert asked("--port", "53", THERE[:30], THERE) == [UNKNOWN, TRUE]
    assert asked("--host", "10.0.0.9", THERE[:12], THERE) == [UNKNOWN, FALSE]


def test_one_of_several_values() -> None:
    found = wanted("--host", ["10.0.0.3", "10.0.0.4"])
    assert len(found.matches) == 2


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--host", "example.org"),
        ("--host", "10.0.0.0/8"),
        ("--host", "10.0.0.1 or tcp"),
        ("--host", ""),
        ("--net", "10.0.0.1/33"),
        ("--port", "70000"),
        ("--port", "(53)"),
        ("--proto", "nonsense"),
        ("--icmp-id", "x"),
        ("--flow", "10.0.0.1"),
        ("--flow", "10.0.0.1-10.0.0.2-10.0.0.3"),
        ("--flow", "10.0.0.1:x y-10.0.0.2"),
        ("--flow", "fd00::1:80:x-fd00::2"),
        ("--match", "host"),
        ("--match", ""),
    ],
)
def test_nonsense_is_refused_by_name(option: str, value: str) -> None:
    assert option in OPTIONS
    with pytest.raises(UsageError, match=option):
        wanted(option, [value])
