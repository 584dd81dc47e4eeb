"""Packets that lie about their lengths, are padded, or carry what only looks like a tunnel."""

from __future__ import annotations

import struct
from typing import Any

import packet_bytes as made
import pytest

from perfpath.packets import text
from perfpath.packets.decode import MAX_DEPTH, decode
from perfpath.packets.headers import packed
from perfpath.packets.identity import digests
from perfpath.packets.schema import COMPLETE, IN_ERROR, IN_VXLAN, MALFORMED, NOTHING, TRUNCATED


def levels(frame: bytes, width: int = 400) -> list[dict[str, Any]]:
    packets = decode(packed([frame], width=width))
    inner = text.rows(packets.inner)
    chain = text.rows(packets.outer)
    while chain[-1]["inner"] >= 0:
        chain.append(inner[chain[-1]["inner"]])
    return chain


def ipv4(protocol: int, body: bytes, **more: Any) -> bytes:
    return made.ethernet(0x0800, made.ipv4(protocol, body, **more))


def test_padding_is_not_read_as_a_header() -> None:
    (row,) = levels(ipv4(17, made.udp(5, 53), length=24))
    assert (row["sport"], row["dport"], row["udp_len"], row["ended"]) == (5, 53, -1, MALFORMED)
    (row,) = levels(ipv4(6, made.tcp(5, 80)) + b"\xff" * 30)
    assert (row["payload_len"], row["payload_at"], row["ended"]) == (0, 54, COMPLETE)


@pytest.mark.parametrize("length", [1, 10, 19])
def test_an_ipv4_packet_shorter_than_its_header_has_no_addresses(length: int) -> None:
    (row,) = levels(ipv4(17, made.udp(5, 53), length=length))
    assert (row["family"], row["proto"], row["ip_len"], row["ended"]) == (0, -1, -1, MALFORMED)
    (row,) = levels(ipv4(17, made.udp(5, 53), length=23, options=b"\1" * 4))
    assert (row["family"], row["ended"]) == (0, MALFORMED)


def test_a_length_of_zero_is_an_unknown_one() -> None:
    (row,) = levels(ipv4(6, made.tcp(5, 80, b"GET"), length=0))
    assert (row["ip_len"], row["payload_len"], row["payload_at"], row["ended"]) == (-1, -1, 54, COMPLETE)
    packet = made.ipv6(6, made.tcp(5, 80, b"GET"))
    (row,) = levels(made.ethernet(0x86DD, packet[:4] + b"\0\0" + packet[6:]))
    assert (row["ip_len"], row["payload_len"], row["dport"], row["ended"]) == (-1, -1, 80, COMPLETE)


@pytest.mark.parametrize(("version", "ethertype"), [(0x65, 0x0800), (0x44, 0x0800), (0x40, 0x86DD)])
def test_a_wrong_version_or_header_length_is_malformed(version: int, ethertype: int) -> None:
    (row,) = levels(made.ethernet(ethertype, bytes([version]) + bytes(60)))
    assert (row["family"], row["proto"], row["ethertype"], row["ended"]) == (0, -1, ethertype, MALFORMED)


@pytest.mark.parametrize("offset", [4, 15])
def test_a_wrong_tcp_header_length_leaves_no_payload(offset: int) -> None:
    segment = made.tcp(5, 80, b"GET")
    (row,) = levels(ipv4(6, segment[:12] + bytes([offset << 4]) + segment[13:]))
    assert (row["tcp_seq"], row["tcp_ack"], row["payload_len"], row["payload_at"]) == (1, 2, -1, -1)
    assert row["ended"] == MALFORMED


def test_cut_tcp_options_leave_no_place_of_the_payload() -> None:
    frame = ipv4(6, made.tcp(5, 80, b"GET", options=b"\1" * 12))
    for cut in range(54, 66):
        (row,) = levels(frame[:cut])
        assert (row["payload_at"], row["payload_len"], row["ended"]) == (-1, 3, TRUNCATED)
    assert levels(frame[:66])[0]["payload_at"] == 66


@pytest.mark.parametrize("length", [0, 7, 100])
def test_a_wrong_udp_length_leaves_no_payload(length: int) -> None:
    (row,) = levels(ipv4(17, made.udp(5, 53, b"query", length=length)))
    assert (row["udp_len"], row["payload_len"], row["ended"]) == (length, -1, MALFORMED)


@pytest.mark.parametrize(("family", "unit"), [(4, 4), (6, 8)])
def test_what_extends_an_error_is_not_read_as_the_packet_it_is_about(family: int, unit: int) -> None:
    segment = made.tcp(5, 80)[:12]
    quoted = made.ipv4(6, segment, length=99) if family == 4 else made.ipv6(6, segment + bytes(60))[:52] + bytes(4)
    words = len(quoted) // unit
    extension = b"\x20\0\0\0" + b"\xee" * 40
    if family == 4:
        frame = ipv4(1, made.icmp(11, 0, words << 16, quoted + extension))
    else:
        frame = made.ethernet(0x86DD, made.ipv6(58, made.icmp(3, 0, words << 24, quoted + extension)))
    error, about = levels(frame)
    assert (error["carries"], about["sport"], about["tcp_seq"], about["tcp_window"]) == (IN_ERROR, 5, 1, -1)
    assert about["ended"] == TRUNCATED


def test_a_redirect_and_an_error_about_an_error_show_what_they_are_about() -> None:
    datagram = made.ipv4(17, made.udp(5, 53))
    chain = levels(ipv4(1, made.icmp(5, 1, 0x0A000009, made.ipv4(1, made.icmp(3, 3, 0, datagram)))))
    assert [row["icmp_type"] for row in chain] == [5, 3, -1]
    assert chain[2]["dport"] == 53


@pytest.mark.parametrize("header", [b"\0" * 8, b"\x0c" + bytes(7), b"\x08\0\0\0\0\0\1\1", b"\x08\0\0\0\0\0\1"])
def test_what_only_goes_to_the_port_of_vxlan_is_udp(header: bytes) -> None:
    frame = ipv4(17, made.udp(5, 4789, header + (ipv4(1, made.echo(8, 1, 1)) if len(header) == 8 else b"")))
    (row,) = levels(frame)
    assert (row["carries"], row["tunnel_id"], row["dport"]) == (NOTHING, -1, 4789)


def test_vxlan_with_a_group_policy_is_vxlan() -> None:
    header = struct.pack(">II", 0x88000005, 42 << 8)
    chain = levels(ipv4(17, made.udp(5, 4789, header + ipv4(1, made.echo(8, 1, 1)))))
    assert (chain[0]["carries"], chain[0]["tunnel_id"], chain[1]["icmp_seq"]) == (IN_VXLAN, 42, 1)


@pytest.mark.parametrize("flags", [0x4000, 0x0001])
def test_other_kinds_of_gre_stay_a_number(flags: int) -> None:
    (row,) = levels(ipv4(47, struct.pack(">HH", flags, 0x0800) + made.ipv4(1, made.echo(8, 1, 1))))
    assert (row["proto"], row["carries"]) == (47, NOTHING)


def test_a_fragmented_tunnel_shows_its_packet_by_that_packets_own_length() -> None:
    inside = made.ipv4(17, made.udp(5, 53, bytes(100)))
    outer, inner = levels(ipv4(4, inside[:48], fragment=0x2000))
    assert (outer["more_fragments"], inner["payload_len"], inner["ip_len"]) == (1, 100, 128)
    assert inner["ended"] == COMPLETE
    (row,) = levels(ipv4(6, made.tcp(5, 80, bytes(40), options=b"\1" * 20)[:32], fragment=0x2000))
    assert (row["tcp_seq"], row["payload_len"], row["ended"]) == (1, -1, TRUNCATED)


def test_a_packet_longer_than_its_tunnel_is_malformed_and_read_by_its_own_length() -> None:
    _, inner = levels(ipv4(4, made.ipv4(17, made.udp(5, 53, bytes(100)), length=128)[:60]))
    assert (inner["ended"], inner["payload_len"], inner["dport"]) == (MALFORMED, 100, 53)


def test_a_second_fragment_header_and_endless_options_are_malformed() -> None:
    inside = made.fragment6(44, made.fragment6(17, made.udp(5, 53), 0, 0, 9), 0, 1, 8)
    (row,) = levels(made.ethernet(0x86DD, made.ipv6(44, inside)))
    assert (row["ip_id"], row["more_fragments"], row["proto"], row["sport"], row["ended"]) == (8, 1, -1, -1, MALFORMED)
    body = made.udp(5, 53)
    following = 17
    for _ in range(40):
        body, following = made.options6(following, body), 60
    (row,) = levels(made.ethernet(0x86DD, made.ipv6(60, body)))
    assert (row["family"], row["proto"], row["sport"], row["ended"]) == (6, -1, -1, MALFORMED)


def test_depth_is_bounded() -> None:
    packet = made.ipv4(1, made.echo(8, 1, 1))
    for _ in range(9):
        packet = made.ipv4(4, packet)
    chain = levels(made.ethernet(0x0800, packet))
    assert len(chain) == MAX_DEPTH + 1
    assert (chain[-1]["carries"], chain[-1]["inner"]) == (2, -1)
    headers = packed([made.ethernet(0x0800, packet)], width=400)
    assert digests(decode(headers), headers).identity.tolist() == [0], "what is innermost isn't known"


def test_bytes_behind_a_payload_do_not_count() -> None:
    frames = [ipv4(17, made.udp(5, 53, b"nine byte")) + padding for padding in (b"", b"\0" * 9, b"\xff" * 9)]
    headers = packed([*frames, ipv4(17, made.udp(5, 53, b"nine bytf"))])
    payload = digests(decode(headers), headers).payload
    assert payload[0] == payload[1] == payload[2] != 0
    assert payload[3] != payload[0]


def test_tags_beyond_the_second_and_arp_of_other_kinds() -> None:
    body = made.ipv4(1, made.echo(8, 1, 1))
    (row,) = levels(made.ethernet(0x0800, body, ((0x88A8, 1), (0x8100, 2), (0x8100, 3))))
    assert (row["vlan"], row["vlan_inner"], row["icmp_seq"]) == (1, 2, 1)
    infiniband = struct.pack(">HHBBH", 32, 0x0800, 20, 4, 1) + bytes(20) + b"\x0a\0\0\1" + bytes(20) + b"\x0a\0\0\2"
    (row,) = levels(made.ethernet(0x0806, infiniband))
    assert (row["arp_op"], row["family"], row["arp_sha"], row["ended"]) == (1, 4, -1, COMPLETE)
    assert (text.source(row), text.destination(row)) == ("10.0.0.1", "10.0.0.2")
    (row,) = levels(made.ethernet(0x0806, infiniband[:-1]))
    assert (row["arp_op"], row["family"], row["ended"]) == (1, 0, TRUNCATED)
    (row,) = levels(made.ethernet(0x0806, struct.pack(">HHBBH", 1, 0x809B, 6, 4, 2) + b"\2" * 6 + bytes(14)))
    assert (row["arp_op"], row["family"], text.mac(row["arp_sha"])) == (2, 0, "02:02:02:02:02:02")


def test_what_stands_behind_an_authentication_header_is_read() -> None:
    inside = struct.pack(">BBHII", 17, 4, 0, 1, 1) + bytes(12) + made.udp(5, 53)
    (row,) = levels(made.ethernet(0x86DD, made.ipv6(51, inside)))
    assert (row["proto"], row["sport"], row["dport"], row["ended"]) == (17, 5, 53, COMPLETE)
    (row,) = levels(made.ethernet(0x86DD, made.ipv6(51, inside))[:60])
    assert (row["proto"], row["sport"], row["ended"]) == (17, -1, TRUNCATED)
