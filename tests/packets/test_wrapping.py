"""What is around packets, and filters that look into tunnels: tshark's fields and display filters are the oracle."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import packet_bytes as made
import pcap
import pytest

from perfpath.firstbytes import ETHERNET, NETWORK, WIDTH, FirstBytes, packed
from perfpath.packets.describe import decoded
from perfpath.packets.filters import wanted
from perfpath.packets.match import parse
from perfpath.packets.schema import IN_ERROR
from perfpath.packets.truth import FALSE, TRUE, UNKNOWN
from perfpath.packets.wrapping import Wrappings, suspects

if TYPE_CHECKING:
    from pathlib import Path

    from perfpath.tables import Array

CARRIERS = ("vxlan", "geneve", "gre", "ipip")
NUMBERS = {"vxlan": "vxlan.vni", "geneve": "geneve.vni", "gre": "gre.key"}


def first_bytes(frames: list[bytes], **more: Any) -> Array:
    """PACKET[n] of whole frames, as packet sockets give them."""
    raw = np.stack([np.frombuffer(frame[:WIDTH].ljust(WIDTH, b"\0"), np.uint8) for frame in frames])
    lengths = np.array([len(frame) for frame in frames])
    ethertype = np.array([int.from_bytes(frame[12:14], "big") for frame in frames])
    given: dict[str, Any] = {"layer": np.full(len(frames), ETHERNET), "network": np.full(len(frames), 14)}
    given |= {"ethertype": ethertype, "length": lengths} | more
    return packed(raw, np.minimum(lengths, WIDTH), **given)


def around(packets: Array) -> list[list[dict[str, Any]]]:
    known = FirstBytes()
    known.add(packets)
    wrappings = Wrappings(known)
    codes = wrappings.of(np.arange(len(packets))).tolist()
    return [json.loads(wrappings.names[code] or "[]") for code in codes]


def short(seed: int, count: int) -> list[bytes]:
    """Honest frames that weren't cut."""
    return [frame for frame in made.made(seed, count) if len(frame) <= WIDTH]


@pcap.needs("tshark")
def test_tshark_sees_the_same_around_generated_packets(tmp_path: Path) -> None:
    frames = simple(short(11, 6000))
    seen = dict.fromkeys((*CARRIERS, "vlan", "mpls"), 0)
    for theirs, ours in zip(
        pcap.tshark(pcap.write(tmp_path / "made.pcap", frames)), around(first_bytes(frames)), strict=True
    ):
        tunnels = [each for each in ours if each["kind"] in CARRIERS]
        tags = sorted(str(each["id"]) for each in ours if each["kind"] == "vlan")
        assert tags == sorted(theirs["vlan.id"] + theirs["ieee8021ad.id"]), theirs
        assert [str(each["id"]) for each in ours if each["kind"] == "mpls"] == theirs["mpls.label"]
        for kind, field in NUMBERS.items():
            ids = [each["id"] for each in tunnels if each["kind"] == kind and "id" in each]
            assert ids == [int(value, 0) for value in theirs[field]], (theirs, ours)
        for family, dot in (("ip", "."), ("ipv6", ":")):
            ends = [(each["src"], each["dst"]) for each in tunnels if dot in each["src"]]
            addresses = list(zip(theirs[f"{family}.src"], theirs[f"{family}.dst"], strict=True))
            assert addresses[: len(ends)] == ends
            assert len(addresses) - len(ends) <= 1  # the packet itself
        ports = [[str(each[name]) for each in tunnels if name in each] for name in ("sport", "dport")]
        assert [theirs["udp.srcport"][: len(ports[0])], theirs["udp.dstport"][: len(ports[1])]] == ports
        for each in ours:
            seen[each["kind"]] += 1
    assert min(seen.values()) > 20, seen


def simple(frames: list[bytes]) -> list[bytes]:
    """Those without ICMP errors and later fragments: tshark's fields and words don't set apart what these hold."""
    packets = decoded(first_bytes(frames))
    odd = (packets.outer["carries"] == IN_ERROR) | (packets.outer["frag_offset"] > 0)
    inside = (packets.inner["carries"] == IN_ERROR) | (packets.inner["frag_offset"] > 0)
    odd[packets.inner["packet"][inside]] = True
    return [frame for frame, is_odd in zip(frames, odd.tolist(), strict=True) if not is_odd]


@pcap.needs("tshark")
def test_filters_let_through_what_tsharks_display_filters_do(tmp_path: Path) -> None:
    frames = simple(short(12, 4000))
    frames.append(made.ethernet(0x0800, made.ipv4(17, made.udp(5, 4789, made.vxlan(42, inner_echo())))))
    packets, file = first_bytes(frames), pcap.write(tmp_path / "made.pcap", frames)
    for ours, theirs in (
        ("icmp", "icmp"),
        ("not icmp", "not icmp"),
        ("icmp or icmp6", "icmp or icmpv6"),
        ("arp and vxlan", "arp and vxlan"),
        ("vxlan", "vxlan"),
        ("vxlan 42", "vxlan.vni == 42"),
        ("not vxlan 42", "not vxlan.vni == 42"),
        ("vxlan 42 and icmp and not host 10.0.0.9", "vxlan.vni == 42 and icmp and not ip.addr == 10.0.0.9"),
        ("not geneve", "not geneve"),
        ("gre and not tcp", "gre and not tcp"),
        ("vlan", "vlan or ieee8021ad"),
        ("not vlan and not arp", "not vlan and not ieee8021ad and not arp"),
        ("host 10.0.0.7", "ip.addr == 10.0.0.7 or arp.src.proto_ipv4 == 10.0.0.7 or arp.dst.proto_ipv4 == 10.0.0.7"),
        ("ip and not net 10.0.0.0/24 and not arp", "ip and not ip.addr == 10.0.0.0/24 and not arp"),
        ("udp port 53", "udp.port == 53"),
        ("ip6", "ipv6"),
        ("arp", "arp"),
        ("greater 100", "frame.len >= 100"),
        ("ether host 02:00:00:00:00:0a", "eth.addr == 02:00:00:00:00:0a"),
    ):
        answers = wanted("--match", [ours]).truth(packets)
        assert np.flatnonzero(answers == TRUE).tolist() == pcap.displayed(file, theirs), ours
        assert np.count_nonzero(answers == TRUE) > 0, ours
        assert not (answers == UNKNOWN).any(), ours


def inner_echo(**more: Any) -> bytes:
    return made.ethernet(0x0800, made.ipv4(1, made.echo(8, 1, 1, b""), "192.168.1.1", "192.168.1.2"), **more)


def vxlan(frame: bytes) -> bytes:
    outer = made.udp(50000, 4789, made.vxlan(42, frame))
    return made.ethernet(0x0800, made.ipv4(17, outer, "192.0.2.1", "192.0.2.2"), ((0x88A8, 9), (0x8100, 5)))


def test_from_the_outermost_inwards() -> None:
    tunnel = {"kind": "vxlan", "id": 42, "src": "192.0.2.1", "dst": "192.0.2.2", "sport": 50000, "dport": 4789}
    tags = [{"kind": "vlan", "id": 9}, {"kind": "vlan", "id": 5}]
    (ours,) = around(first_bytes([vxlan(inner_echo(tags=((0x8100, 7),)))]))
    assert ours == [*tags, tunnel, {"kind": "vlan", "id": 7}]


def test_every_cut_gives_the_beginning_and_no_errors() -> None:
    frame = vxlan(inner_echo())
    whole = around(first_bytes([frame]))[0]
    before: list[dict[str, Any]] = []
    for cut in range(len(frame) + 1):
        packets = first_bytes([frame], length=np.array([len(frame)]))
        packets["captured"] = cut
        packets["raw"][:, cut:] = 0
        (ours,) = around(packets)
        assert ours == whole[: len(ours)]
        assert len(ours) >= len(before)
        before = ours
        answers = {
            text: int(wanted("--match", [text]).truth(packets)[0])
            for text in ("icmp", "not icmp", "vxlan 42", "port 1")
        }
        assert answers["icmp"] in (UNKNOWN, TRUE)
        assert answers["icmp"] == 2 - answers["not icmp"]
        assert answers["vxlan 42"] in (UNKNOWN, TRUE)
        assert answers["port 1"] in (UNKNOWN, FALSE)
    assert before == whole


def test_a_tag_that_is_not_in_the_bytes_is_the_outermost() -> None:
    frames = [inner_echo(), inner_echo(tags=((0x8100, 7),)), inner_echo()]
    packets = first_bytes(frames, vlan=np.array([5, 5, -1]))
    assert [[each["id"] for each in ours] for ours in around(packets)] == [[5], [5, 7], []]
    assert wanted("--match", ["vlan 5"]).truth(packets).tolist() == [TRUE, TRUE, FALSE]
    packets = first_bytes([frame[14:] for frame in frames[:1]], vlan=np.array([5]), layer=np.array([NETWORK]))
    packets["network"], packets["ethertype"] = 0, 0x0800
    assert [[each["id"] for each in ours] for ours in around(packets)] == [[5]]
    assert wanted("--match", ["vlan 5"]).truth(packets).tolist() == [TRUE]


def test_one_of_the_levels_must_say_all_of_it() -> None:
    packets = first_bytes([vxlan(inner_echo())])
    for expression, expected in (
        ("src host 192.0.2.1 and dst host 192.0.2.2", TRUE),
        ("src host 192.168.1.1 and dst host 192.168.1.2", TRUE),
        ("src host 192.0.2.1 and dst host 192.168.1.2", FALSE),
        ("not (src host 192.0.2.1 and dst host 192.168.1.2)", TRUE),
        ("icmp and port 4789", FALSE),
        ("vxlan and vlan 5 and icmp", TRUE),
        ("vxlan and vlan 9 and udp port 4789", TRUE),
        ("vlan 6 and icmp", FALSE),
    ):
        assert parse(expression).of(decoded(packets)).tolist() == [expected], expression
    assert wanted("--flow", ["192.168.1.2-192.168.1.1"]).truth(packets).tolist() == [TRUE]
    assert wanted("--flow", ["192.168.1.2-192.0.2.1"]).truth(packets).tolist() == [FALSE]


@pytest.mark.parametrize("seed", [13, 14])
def test_what_is_not_suspected_has_nothing_around_it(seed: int) -> None:
    frames = made.made(seed, 4000)
    packets = first_bytes(frames)
    free = ~suspects(packets)
    assert 0.2 < free.mean() < 0.9
    found = decoded(packets[free])
    assert not np.isin(found.outer["carries"], (2, 3, 4, 5)).any()
    assert (found.outer["vlan"] < 0).all()
