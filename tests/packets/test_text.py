"""Packets in words."""

from __future__ import annotations

import packet_bytes as made
import pytest

from perfpath.packets.decode import decode
from perfpath.packets.headers import NETWORK, packed
from perfpath.packets.text import facts, mac, rows, sentences, tcp_flags

ECHO = made.ipv4(1, made.echo(8, 17146, 1), "172.17.0.1", "172.17.0.2")


def in_words(frame: bytes) -> str:
    return sentences(decode(packed([frame], width=300)))[0]


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (made.ethernet(0x0800, ECHO), "#17146.001 172.17.0.1 -> 172.17.0.2"),
        (made.ethernet(0x86DD, made.ipv6(58, made.echo(129, 7, 1234))), "#7.1234 fd00::1 -> fd00::2"),
        (
            made.ethernet(0x0800, made.ipv4(6, made.tcp(40000, 80, flags=18))),
            "tcp [S.] 10.0.0.1:40000 -> 10.0.0.2:80",
        ),
        (made.ethernet(0x86DD, made.ipv6(17, made.udp(5, 53))), "udp [fd00::1]:5 -> [fd00::2]:53"),
        (made.ethernet(0x0806, made.arp(1)), "arp who-has 10.0.0.2 tell 10.0.0.1"),
        (made.ethernet(0x0806, made.arp(2)), "arp 10.0.0.1 is-at 02:00:00:00:00:0a"),
        (made.ethernet(0x0806, made.arp(1)[:8]), "arp request (cut off)"),
        (
            made.ethernet(0x0800, made.ipv4(1, made.icmp(3, 1, 0, ECHO), "10.0.0.9")),
            "icmp host unreachable 10.0.0.9 -> 10.0.0.2 (about #17146.001 172.17.0.1 -> 172.17.0.2)",
        ),
        (
            made.ethernet(0x0800, made.ipv4(1, made.icmp(3, 4, 1400))),
            "icmp fragmentation needed (mtu 1400) 10.0.0.1 -> 10.0.0.2",
        ),
        (
            made.ethernet(0x0800, made.ipv4(17, made.udp(5, 4789, made.vxlan(42, made.ethernet(0x0800, ECHO))))),
            "vxlan 42 10.0.0.1:5 -> 10.0.0.2:4789 (#17146.001 172.17.0.1 -> 172.17.0.2)",
        ),
        (
            made.ethernet(0x0800, made.ipv4(47, made.gre(0x0800, ECHO))),
            "gre 10.0.0.1 -> 10.0.0.2 (#17146.001 172.17.0.1 -> 172.17.0.2)",
        ),
        (
            made.ethernet(0x86DD, made.ipv6(58, made.icmp(135, 0, 0, bytes(15) + b"\2"), dst="ff02::1:ff00:2")),
            "icmp6 neighbour solicitation of ::2 fd00::1 -> ff02::1:ff00:2",
        ),
        (
            made.ethernet(0x0800, made.ipv4(1, bytes(8), fragment=0x2000 | 185)),
            "icmp 10.0.0.1 -> 10.0.0.2 fragment 1480+",
        ),
        (made.ethernet(0x0800, made.ipv4(89, b"")), "ospf 10.0.0.1 -> 10.0.0.2"),
        (made.ethernet(0x0800, made.ipv4(200, b"")), "proto-200 10.0.0.1 -> 10.0.0.2"),
        (made.ethernet(0x88CC, b""), "ethertype 0x88cc"),
        (made.ethernet(38, b"\x42\x42\x03" + bytes(35)), "802.2"),
        (made.ethernet(0x0800, b"\x45"), "ip (cut off)"),
        (made.ethernet(0x0800, b"\x41" + bytes(40)), "ip (malformed)"),
        (b"", "(cut off)"),
    ],
)
def test_a_packet_in_words(frame: bytes, words: str) -> None:
    assert in_words(frame) == words


def test_an_unknown_beginning_says_nothing() -> None:
    assert sentences(decode(packed([ECHO], layer=0))) == [""]
    assert sentences(decode(packed([ECHO], NETWORK, 0))) == [""]
    assert sentences(decode(packed([ECHO], NETWORK, 0x0800))) == ["#17146.001 172.17.0.1 -> 172.17.0.2"]


def test_facts_are_for_programs() -> None:
    frames = [made.ethernet(0x0800, ECHO), made.ethernet(0x0800, made.ipv4(6, made.tcp(5, 80))), b""]
    table = decode(packed(frames)).outer
    assert [facts(row) for row in rows(table)] == [
        {"src": "172.17.0.1", "dst": "172.17.0.2", "l4": "icmp", "icmp_id": 17146, "icmp_seq": 1},
        {"src": "10.0.0.1", "dst": "10.0.0.2", "l4": "tcp", "sport": 5, "dport": 80},
        None,
    ]


def test_flags_and_addresses() -> None:
    assert [tcp_flags(flags) for flags in (0, 2, 18, 24, 17, 4, 0x1FF)] == [
        "[none]",
        "[S]",
        "[S.]",
        "[P.]",
        "[F.]",
        "[R]",
        "[SFRP.UEWe]",
    ]
    assert mac(-1) == ""
    assert mac(0) == "00:00:00:00:00:00"
