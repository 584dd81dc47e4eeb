"""The same packet, its flow, its answer, and what errors are about."""

from __future__ import annotations

from random import Random

import numpy as np
import packet_bytes as made
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perfpath.packets.compare import answers, reports, reverses, same
from perfpath.packets.decode import decode
from perfpath.packets.headers import NETWORK, packed
from perfpath.packets.identity import digests
from perfpath.packets.levels import innermost, quoted
from perfpath.packets.truth import FALSE, TRUE, UNKNOWN

ECHO = made.echo(8, 17146, 1)


def digest(frame: bytes, width: int = 128) -> tuple[int, int, int]:
    """identity, flow, payload."""
    headers = packed([frame], width=width)
    found = digests(decode(headers), headers)
    return int(found.identity[0]), int(found.flow[0]), int(found.payload[0])


def frame4(protocol: int, body: bytes, **more: object) -> bytes:
    return made.ethernet(0x0800, made.ipv4(protocol, body, **more))  # type: ignore[arg-type]


def compared(left: bytes, right: bytes, function: object = same, **options: object) -> int:
    tables = [innermost(decode(packed([frame]))) for frame in (left, right)]
    return int(function(*tables, **options)[0])  # type: ignore[operator]


ON_THE_WAY = {
    "another TTL": frame4(1, ECHO, ttl=63),
    "another TOS": frame4(1, ECHO, tos=4),
    "SNAT": frame4(1, ECHO, src="192.0.2.1"),
    "DNAT": frame4(1, ECHO, dst="192.0.2.1"),
    "a VLAN tag": made.ethernet(0x0800, made.ipv4(1, ECHO), ((0x8100, 5),)),
    "VXLAN": frame4(17, made.udp(5, 4789, made.vxlan(42, frame4(1, ECHO))), identification=99),
    "GRE": frame4(47, made.gre(0x0800, made.ipv4(1, ECHO)), identification=99),
    "IP in IPv6": made.ethernet(0x86DD, made.ipv6(4, made.ipv4(1, ECHO))),
}


@pytest.mark.parametrize("way", ON_THE_WAY)
def test_a_packet_is_the_same_after(way: str) -> None:
    before, after = digest(frame4(1, ECHO)), digest(ON_THE_WAY[way], 160)
    assert before[0] == after[0] != 0
    assert before[2] == after[2] != 0
    assert (before[1] == after[1]) == (way not in ("SNAT", "DNAT"))
    assert compared(frame4(1, ECHO), ON_THE_WAY[way]) == TRUE
    assert compared(frame4(1, ECHO), ON_THE_WAY[way], nat=False) == (FALSE if "NAT" in way else TRUE)


OTHERS = {
    "the next echo": frame4(1, made.echo(8, 17146, 2)),
    "the reply": frame4(1, made.echo(0, 17146, 1)),
    "another IP id": frame4(1, ECHO, identification=8),
    "longer": frame4(1, made.echo(8, 17146, 1, b"x" * 57)),
    "a fragment": frame4(1, ECHO, fragment=0x2000),
    "UDP": frame4(17, made.udp(1, 2, b"x" * 56)),
    "IPv6": made.ethernet(0x86DD, made.ipv6(58, made.echo(128, 17146, 1))),
    "an error about it": frame4(1, made.icmp(3, 1, 0, made.ipv4(1, ECHO))),
}


@pytest.mark.parametrize("other", OTHERS)
def test_another_packet_is_not_the_same(other: str) -> None:
    assert digest(frame4(1, ECHO))[0] != digest(OTHERS[other])[0]
    assert compared(frame4(1, ECHO), OTHERS[other]) == FALSE


def test_ports_may_change_under_nat_and_sequence_numbers_may_not() -> None:
    segment = frame4(6, made.tcp(40000, 80, b"GET", seq=77, ack=88))
    translated = frame4(6, made.tcp(50000, 80, b"GET", seq=77, ack=88), src="192.0.2.1")
    assert compared(segment, translated) == TRUE
    assert digest(segment)[0] == digest(translated)[0]
    assert compared(segment, frame4(6, made.tcp(40000, 80, b"GET", seq=78, ack=88))) == FALSE


def test_without_anything_that_distinguishes_nobody_knows() -> None:
    datagram = frame4(17, made.udp(1, 2, b"hello"), identification=0)
    assert compared(datagram, datagram) == UNKNOWN
    alike = packed([datagram, frame4(17, made.udp(1, 2, b"howdy"), identification=0)])
    level = innermost(decode(alike))
    payload = digests(decode(alike), alike).payload
    first, both = level.take(np.array([0, 0])), level.take(np.array([0, 1]))
    assert same(first, both, payload=(payload[[0, 0]], payload)).tolist() == [TRUE, FALSE]


def test_an_icmp_id_that_nat_changed_is_a_doubt() -> None:
    assert compared(frame4(1, ECHO), frame4(1, made.echo(8, 5, 1))) == UNKNOWN
    assert compared(frame4(1, ECHO), frame4(1, made.echo(8, 5, 1)), nat=False) == FALSE


def test_what_was_cut_off_has_no_identity() -> None:
    for frame in (frame4(1, ECHO)[:37], frame4(6, made.tcp(1, 2))[:40], ON_THE_WAY["VXLAN"][:60], b""):
        assert digest(frame)[0] == 0
    assert digest(frame4(1, ECHO)[:37])[1] == 0
    assert digest(ON_THE_WAY["VXLAN"][:45])[0] == 0, "what VXLAN holds is not to be seen"


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32))
def test_any_packet_is_itself_wherever_it_is_seen(seed: int) -> None:
    packet = made.Maker(Random(seed)).packet4(0)
    frame = made.ethernet(0x0800, packet)
    bare = packed([packet], NETWORK, 0x0800, 400)
    at_the_receiver = digests(decode(bare), bare)
    wrapped = frame4(17, made.udp(5, 4789, made.vxlan(42, frame)))
    sender, tunnel = digest(frame, 400), digest(wrapped, 400)
    assert sender == tunnel
    assert sender == (at_the_receiver.identity[0], at_the_receiver.flow[0], at_the_receiver.payload[0])
    assert compared(frame, frame) != FALSE


CONVERSATIONS = [
    (frame4(1, ECHO), frame4(1, made.echo(0, 17146, 1), src="10.0.0.2", dst="10.0.0.1")),
    (frame4(17, made.udp(5, 53)), frame4(17, made.udp(53, 5), src="10.0.0.2", dst="10.0.0.1")),
    (
        frame4(6, made.tcp(5, 80, flags=2, seq=2**32 - 1)),
        frame4(6, made.tcp(80, 5, flags=18, ack=0), src="10.0.0.2", dst="10.0.0.1"),
    ),
    (made.ethernet(0x0806, made.arp(1)), made.ethernet(0x0806, made.arp(2, "10.0.0.2", "10.0.0.1"))),
    (
        made.ethernet(0x86DD, made.ipv6(58, made.echo(128, 9, 9), dst="ff02::1")),
        made.ethernet(0x86DD, made.ipv6(58, made.echo(129, 9, 9), "fd00::9", "fd00::1")),
    ),
    (
        made.ethernet(0x86DD, made.ipv6(58, made.icmp(135, 0, 0, bytes(15) + b"\2"), dst="ff02::1:ff00:2")),
        made.ethernet(0x86DD, made.ipv6(58, made.icmp(136, 0, 0, bytes(15) + b"\2"), "fd00::2", "fd00::1")),
    ),
]


@pytest.mark.parametrize(
    ("asker", "told", "expected"),
    [
        ("fd00::1", "fd00::1", TRUE),
        ("fd00::1", "fd00::7", FALSE),
        ("fd00::1", "ff02::1", TRUE),
        ("::", "ff02::1", TRUE),
    ],
)
def test_an_advertisement_answers_who_asked_or_all(asker: str, told: str, expected: int) -> None:
    body = bytes(15) + b"\2"
    asks = made.ethernet(0x86DD, made.ipv6(58, made.icmp(135, 0, 0, body), asker, "ff02::1:ff00:2"))
    tells = made.ethernet(0x86DD, made.ipv6(58, made.icmp(136, 0, 0, body), "fd00::2", told))
    assert compared(asks, tells, answers) == expected


@pytest.mark.parametrize("number", range(len(CONVERSATIONS)))
def test_answers_belong_to_their_questions(number: int) -> None:
    request, reply = CONVERSATIONS[number]
    assert compared(request, reply, answers) == TRUE
    assert compared(reply, request, answers) == (TRUE if number == 1 else FALSE), "UDP has no roles"
    assert compared(request, request, answers) == FALSE
    for other, (_, answer) in enumerate(CONVERSATIONS):
        assert compared(request, answer, answers) == (TRUE if other == number else FALSE)
    cut = reply[:30] if number != 3 else reply[:20]
    assert compared(request, cut, answers) in (UNKNOWN, FALSE)
    if number != 4:  # a group's flow isn't its members'
        assert digest(request)[1] == digest(reply)[1] != 0
        assert compared(request, reply, reverses) == TRUE or number == 5


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (made.tcp(80, 5, seq=9, ack=103, flags=16), TRUE),
        (made.tcp(80, 5, seq=9, ack=102, flags=16), FALSE),
        (made.tcp(80, 5, seq=9, ack=200, flags=16), TRUE),
        (made.tcp(80, 5, seq=50, ack=0, flags=4), TRUE),
        (made.tcp(80, 5, seq=51, ack=0, flags=4), FALSE),
        (made.tcp(81, 5, seq=9, ack=103, flags=16), FALSE),
    ],
)
def test_tcp_answers_acknowledge_or_reset(reply: bytes, expected: int) -> None:
    request = frame4(6, made.tcp(5, 80, b"abc", seq=100, ack=50))
    assert compared(request, frame4(6, reply, src="10.0.0.2", dst="10.0.0.1"), answers) == expected


def test_nobody_answers_a_pure_acknowledgement() -> None:
    request = frame4(6, made.tcp(5, 80, seq=100, ack=50))
    data = frame4(6, made.tcp(80, 5, b"abc", seq=50, ack=100), src="10.0.0.2", dst="10.0.0.1")
    assert compared(request, data, answers) == FALSE


@pytest.mark.parametrize("quotation", [28, 200])
def test_an_error_is_about_its_packet_and_in_its_flow(quotation: int) -> None:
    for body, protocol in ((made.udp(5, 53, b"x" * 40), 17), (made.tcp(5, 80, b"x" * 40), 6), (ECHO, 1)):
        packet = made.ipv4(protocol, body)
        frame, error = made.ethernet(0x0800, packet), frame4(1, made.icmp(3, 3, 0, packet[:quotation]), src="10.0.0.9")
        decoded = decode(packed([frame, error], width=200))
        about, rows = quoted(decoded)
        assert rows.tolist() == [1]
        assert reports(innermost(decoded).take(np.array([0])), about).tolist() == [TRUE]
        other = innermost(decode(packed([made.ethernet(0x0800, made.ipv4(protocol, body, identification=8))])))
        assert reports(other, about).tolist() == [FALSE]
        assert digest(frame, 200)[1] == digest(error, 200)[1] != 0


def test_later_fragments_join_the_flow_of_their_first() -> None:
    datagram = made.udp(5, 53, bytes(24))
    pieces = [
        frame4(17, datagram[16:], fragment=2, identification=3),
        frame4(17, datagram[:16], fragment=0x2000, identification=3),
        frame4(17, datagram[16:], fragment=2, identification=4),
        made.ethernet(0x86DD, made.ipv6(44, made.fragment6(17, datagram[:16], 0, 1, 3))),
        made.ethernet(0x86DD, made.ipv6(44, made.fragment6(17, datagram[16:], 16, 0, 3))),
    ]
    headers = packed(pieces)
    flow = digests(decode(headers), headers).flow
    assert flow[0] == flow[1] == digest(frame4(17, datagram))[1]
    assert flow[3] == flow[4] != flow[0]
    assert flow[2] not in (0, flow[0])


def test_honest_packets_differ() -> None:
    headers = packed(made.made(31, 20000), width=400)
    packets = decode(headers)
    found = digests(packets, headers)
    told = found.identity > 0
    assert told.mean() > 0.95
    arp = packets.outer["ethertype"] == 0x0806
    fields = innermost(packets).take(told & ~arp)
    keys = np.stack([fields[name].astype(np.int64) for name in fields.columns if name not in ("inner", "len")])
    assert len(np.unique(found.identity[told & ~arp])) > 0.99 * len(np.unique(keys, axis=1).T)
