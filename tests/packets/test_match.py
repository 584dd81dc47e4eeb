"""Match expressions: against tcpdump's own filter, and their answers where something is unknown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import packet_bytes as made
import pcap
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perfpath.errors import UsageError
from perfpath.packets.decode import decode
from perfpath.packets.headers import NETWORK, packed
from perfpath.packets.match import parse

if TYPE_CHECKING:
    from pathlib import Path

    from perfpath.packets.headers import Headers

TCPDUMP = pcap.needs("tcpdump")


def plain(packet: bytes) -> bool:
    """Without what tcpdump needs other words for: VLAN tags, and IPv6 extension headers."""
    kind = packet[12:14]
    return kind in (b"\x08\x00", b"\x08\x06") or (kind == b"\x86\xdd" and packet[20] not in (0, 44, 60))


PACKETS = [packet for packet in made.made(21, 6000) if plain(packet)]
DECODED = decode(packed(PACKETS, width=512)).outer

EXPRESSIONS = [
    "ip",
    "ip6",
    "arp",
    "icmp",
    "icmp6",
    "tcp",
    "udp",
    "sctp",
    "not ip",
    "! ip6 && ! arp",
    "icmp or icmp6",
    "host 10.0.0.7",
    "host 10.0.0.7 or 10.0.0.8",
    "src host 172.17.0.5",
    "dst 172.17.0.5",
    "src or dst 10.0.0.9",
    "src and dst net 10.0.0.0/24",
    "ip host 10.0.0.7",
    "arp host 10.0.0.7",
    "net 10.0.0.0/25",
    "net 10",
    "net 172.17",
    "src net 198.18.5",
    "net 172.17.0.0 mask 255.255.255.0",
    "ip6 net fd00::/16",
    "net fe80::/10",
    "src net 2001:db8:1:2::/64",
    "port 53",
    "not port 53",
    "not portrange 1-1023",
    "port 53 or 80",
    "tcp port 80",
    "udp port 53",
    "udp src port 53",
    "dst port 443",
    "tcp src or dst port 22",
    "tcp src and dst port 22",
    "portrange 40000-50000",
    "tcp dst portrange 22-80",
    "tcp port http",
    "ip proto 47",
    "ip proto 4",
    "ip6 proto 6",
    "proto 132",
    "less 60",
    "greater 150",
    "less 100 and greater 70",
    "ether host 02:00:00:00:00:0a",
    "ether src 02:00:00:00:00:0b",
    "ether proto 0x86dd",
    "icmp and host 172.17.0.2 and not port 53",
    "tcp or udp and port 53",
    "tcp or (udp and port 53)",
    "not tcp and not udp or port 22",
    "not (tcp or udp) and not arp",
    "not not tcp",
    "host (10.0.0.1 or 10.0.0.2 or 10.0.0.3)",
    "tcp and (port 22 or 80) and net 10",
    "(((ip)))",
]


@TCPDUMP
def test_tcpdump_lets_the_same_packets_through(tmp_path: Path) -> None:
    file = pcap.write(tmp_path / "made.pcap", PACKETS)
    some = 0
    for expression in EXPRESSIONS:
        ours = np.flatnonzero(parse(expression).select(DECODED)).tolist()
        assert ours == pcap.tcpdump(file, expression), expression
        some += 0 < len(ours) < len(PACKETS)
    assert some > len(EXPRESSIONS) - 5


def tagged() -> list[bytes]:
    frames = [(5,), (6,), (5, 6), (4095,), ()]
    body = made.ipv4(1, made.echo(8, 1, 1))
    return [made.ethernet(0x0800, body, tuple((0x8100, vlan | 0x2000) for vlan in tags)) for tags in frames]


@TCPDUMP
@pytest.mark.parametrize("expression", ["vlan", "vlan 5", "vlan 4095", "not vlan", "vlan 5 and vlan 6"])
def test_tcpdump_sees_the_same_tags(tmp_path: Path, expression: str) -> None:
    file = pcap.write(tmp_path / "tagged.pcap", tagged())
    ours = np.flatnonzero(parse(expression).select(decode(packed(tagged())).outer)).tolist()
    assert ours == pcap.tcpdump(file, expression)


def selected(expression: str, headers: Headers) -> list[int]:
    return np.flatnonzero(parse(expression).select(decode(headers).outer)).tolist()


def test_tags_and_extension_headers_are_looked_through() -> None:
    inside = made.fragment6(17, made.udp(40000, 53), 0, 1, 9)
    frames = packed([*tagged(), made.ethernet(0x86DD, made.ipv6(0, made.options6(44, inside)))])
    assert selected("icmp", frames) == [0, 1, 2, 3, 4]
    assert selected("vlan 6", frames) == [1, 2]
    assert selected("udp port 53", frames) == [5]


def test_our_own_words() -> None:
    bodies = [made.echo(8, 17146, 1), made.echo(0, 17146, 2), made.echo(8, 3, 1), made.icmp(3, 1, 0)]
    frames = packed([made.ethernet(0x0800, made.ipv4(1, body)) for body in bodies])
    assert selected("icmp-id 17146", frames) == [0, 1]
    assert selected("icmp-id 0x42fa and icmp-seq 2", frames) == [1]
    assert selected("not icmp-id 17146", frames) == [2, 3]


UDP53 = made.ethernet(0x0800, made.ipv4(17, made.udp(40000, 53)))


@pytest.mark.parametrize("expression", ["port 53", "src port 40000", "udp port 53", "portrange 1-60"])
def test_what_was_cut_off_matches_neither_way(expression: str) -> None:
    cut = packed([UDP53[:34], UDP53], width=64)
    assert selected(expression, cut) == [1]
    assert selected(f"not {expression}", cut) == []
    assert selected(f"udp or {expression}", cut) == [0, 1]
    assert selected(f"tcp and not {expression}", cut) == []


@pytest.mark.parametrize(
    "expression", ["ip", "host 10.0.0.1", "net 10", "port 53", "tcp", "vlan", "icmp-id 1", "less 9"]
)
def test_a_row_without_bytes_matches_nothing(expression: str) -> None:
    nothing = packed([b""])
    assert selected(expression, nothing) == selected(f"not {expression}", nothing) == []


def test_an_icmp_packet_has_surely_no_port() -> None:
    icmp = packed([made.ethernet(0x0800, made.ipv4(1, made.echo(8, 1, 1)))])
    assert selected("not port 53", icmp) == [0]


def test_where_no_frame_was_seen_its_tags_and_addresses_are_unknown() -> None:
    bare = packed([made.ipv4(1, made.echo(8, 1, 1))], NETWORK, 0x0800)
    assert selected("icmp and host 10.0.0.1", bare) == [0]
    for expression in ("vlan", "vlan 5", "ether host 02:00:00:00:00:0a"):
        assert selected(expression, bare) == selected(f"not {expression}", bare) == []


@pytest.mark.parametrize(
    ("expression", "character", "says"),
    [
        ("", 1, "expected a test such as `host 10.0.0.1`, `port 53`, `icmp`, `vlan 5`, found the end"),
        ("icmp and", 9, "found the end"),
        ("icmp and and tcp", 10, "found 'and'"),
        ("icmp tcp", 6, "expected `and` or `or`, not 'tcp'"),
        ("(icmp or tcp", 13, "expected `)` for the `(` at character 1"),
        ("port 80 or icmp or 443", 20, "expected a test"),
        ("icmp)", 5, "no `)` without its `(`"),
        ("host", 5, "expected an address after `host`, found the end"),
        ("host web", 6, "names aren't looked up"),
        ("host 10.0.0.0/8", 6, "write `net` before it"),
        ("host fe80::1%eth0", 6, "without its interface"),
        ("net 10.0.0.1/8", 5, "has host bits set"),
        ("net 1000", 5, "expected a network"),
        ("src and tcp", 5, "after `src`"),
        ("port 99999", 6, "at most 65535"),
        ("port 1-5", 6, "expected a port"),
        ("portrange 80", 11, "expected a range such as 1-1023"),
        ("icmp port 5", 11, "icmp has no ports"),
        ("tcp host 10.0.0.1", 10, "write `tcp and host 10.0.0.1`"),
        ("vlan 5000", 6, "a VLAN id is at most 4095"),
        ("icmp-id web", 9, "expected a number"),
        ("less -5", 6, "expected a length in bytes"),
        ("proto nonsense", 7, "expected a protocol by name or number"),
        ("ether host 10.0.0.1", 12, "expected a MAC address"),
        ("ether 5", 7, "expected `host` or `proto`"),
        ("tcp[13]", 1, "expected a test"),
        ("web", 1, "expected a test"),
        ("icmp & tcp", 6, "expected `and` or `or`"),
        ("(" * 200 + "icmp" + ")" * 200, 102, "inside each other"),
        ("not " * 5000 + "icmp", 405, "inside each other"),
    ],
)
def test_mistakes_are_shown_where_they_are(expression: str, character: int, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(expression)
    message, shown, caret = str(caught.value).split("\n")
    assert message.startswith(f"--match, character {character}: ")
    assert says in message
    assert caret.index("^") == shown.index(expression[:1] or " ") + character - 1 or not expression


def test_nothing_unprintable_reaches_the_message() -> None:
    with pytest.raises(UsageError) as caught:
        parse("icmp and \x1b[31mred")
    assert "\x1b" not in str(caught.value)


WORDS = """
    icmp tcp ip6 arp host net port portrange src dst and or not ( ) ! && || vlan less ether proto mask icmp-id
    10.0.0.1 10.0.0.0/8 53 1-5 :: fe80::/10 % [x] \udc80
""".split()  # noqa: SIM905 - a list of quoted words can't be read


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=12))
def test_any_words_parse_or_are_complained_about(words: list[str]) -> None:
    try:
        match = parse(" ".join(words))
    except UsageError:
        return
    assert match.truth(DECODED).shape == (len(DECODED),)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(EXPRESSIONS), st.sampled_from(EXPRESSIONS), st.integers(14, 80))
def test_logic_holds_for_cut_packets(left: str, right: str, width: int) -> None:
    table = decode(packed(PACKETS[:300], width=width)).outer
    whole = parse(left).truth(DECODED)[:300]
    cut = parse(left).truth(table)
    assert ((cut == 1) | (cut == whole)).all(), "knowing less must not change an answer, only take it away"
    assert (parse(f"not ({left})").truth(table) == 2 - cut).all()
    other = parse(right).truth(table)
    assert (parse(f"({left}) and ({right})").truth(table) == np.minimum(cut, other)).all()
    assert (parse(f"({left}) or ({right})").truth(table) == np.maximum(cut, other)).all()
