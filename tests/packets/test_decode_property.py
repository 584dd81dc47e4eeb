"""What cut, broken and random bytes must not do: raise, invent, or contradict the whole packet."""

from __future__ import annotations

import struct
from random import Random
from typing import TYPE_CHECKING

import numpy as np
import packet_bytes
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perfpath.packets import decode as decoding
from perfpath.packets.decode import decode
from perfpath.packets.headers import ETHERNET, NETWORK, Headers, packed
from perfpath.packets.identity import digests
from perfpath.packets.schema import INNER, PACKETS, Packets
from perfpath.packets.text import sentences

if TYPE_CHECKING:
    from perfpath.tables import Table

MISSING = {column.name: np.array(column.missing).astype(column.dtype) for column in INNER}
NOT_VALUES = {"ended", "len", "inner", "packet", "parent"}
"""Numbers of rows, and what is allowed to differ: why reading ended, and where."""


def every_cut(packet: bytes) -> Headers:
    """One row for each length from nothing to the whole packet, the bytes behind it there and not to be read."""
    count = len(packet) + 1
    raw = np.tile(np.frombuffer(packet, np.uint8), (count, 1))
    hidden = np.arange(len(packet)) >= np.arange(count)[:, None]
    raw[hidden] = 0xA5
    return Headers(raw, np.arange(count), np.full(count, ETHERNET, np.int8), np.zeros(count, np.uint16))


def chain(packets: Packets, row: int) -> list[tuple[Table, int]]:
    levels = [(packets.outer, row)]
    while (inside := int(levels[-1][0]["inner"][levels[-1][1]])) >= 0:
        levels.append((packets.inner, inside))
    return levels


def contradictions(packets: Packets) -> list[str]:
    """Values of a cut packet that are there and aren't the whole packet's; the last row is the whole one."""
    whole = chain(packets, len(packets.outer) - 1)
    found = []
    for row in range(len(packets.outer)):
        levels = chain(packets, row)
        assert len(levels) <= len(whole)
        for (table, at), (full, full_at) in zip(levels, whole, strict=False):
            for name in set(table.columns) - NOT_VALUES:
                value = table[name][at]
                if value != MISSING[name] and value != full[name][full_at]:
                    found.append(f"{name} at {row} bytes: {value}, not {full[name][full_at]}")
    return found


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32))
def test_a_packet_cut_anywhere_gives_its_own_values_or_none(seed: int) -> None:
    packet = packet_bytes.Maker(Random(seed)).frame(depth=2)
    assert not contradictions(decode(every_cut(packet)))


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32), st.data())
def test_a_broken_packet_cut_anywhere_gives_its_own_values_or_none(seed: int, data: st.DataObject) -> None:
    packet = bytearray(packet_bytes.Maker(Random(seed)).frame(depth=2))
    for place in data.draw(st.lists(st.integers(12, len(packet) - 1), min_size=1, max_size=4)):
        packet[place] = data.draw(st.integers(0, 255))
    assert not contradictions(decode(every_cut(bytes(packet))))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.binary(max_size=90), max_size=20),
    st.sampled_from([0x0800, 0x86DD, 0x0806, 0x8847, 0x8100, 0, 0xFFFF]),
    st.sampled_from([ETHERNET, NETWORK, 0]),
)
def test_any_bytes_decode_without_an_error(packets: list[bytes], ethertype: int, layer: int) -> None:
    headers = packed(packets, layer, ethertype, width=90)
    result = decode(headers)
    assert len(result.outer) == len(packets)
    assert len(sentences(result)) == len(packets)
    assert len(digests(result, headers).identity) == len(packets)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32), st.integers(-300, 300), st.integers(-300, 300))
def test_any_place_of_the_network_header_is_safe(seed: int, place: int, captured: int) -> None:
    given_headers = packed([packet_bytes.Maker(Random(seed)).packet4(1)] * 3, NETWORK, 0x0800)
    odd = Headers(
        given_headers.raw,
        np.array([captured, 128, 0]),
        given_headers.layer,
        given_headers.ethertype,
        network=np.array([place, place, place]),
    )
    assert len(decode(odd).outer) == 3


@pytest.mark.parametrize("tag", [0x8100, 0x88A8])
@pytest.mark.parametrize("ethertype", [0x0800, 0x86DD, 0x0806])
def test_a_packet_of_two_tags_as_it_is_received(tag: int, ethertype: int) -> None:
    """The outer tag was taken off (QinQ on Linux 6.12): where the network header should be, the inner one is."""
    maker = packet_bytes.Maker(Random(7))
    body = {0x0800: maker.packet4(1), 0x86DD: maker.packet6(1), 0x0806: packet_bytes.arp(1)}[ethertype]
    plain = decode(packed([body], NETWORK, ethertype))
    tagged = decode(packed([struct.pack(">HH", 6, ethertype) + body], NETWORK, tag))
    framed = decode(packed([bytes(12) + struct.pack(">HHH", tag, 6, ethertype) + body]))
    for name in ("ethertype", "family", "src_hi", "src_lo", "dst_hi", "dst_lo", "proto", "ip_len", "icmp_id", "arp_op"):
        assert plain.outer[name].tolist() == tagged.outer[name].tolist() == framed.outer[name].tolist(), name
    assert tagged.outer["vlan"].tolist() == framed.outer["vlan"].tolist() == [6]


def test_neighbours_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    packets = packet_bytes.made(11, 600)
    together = decode(packed(packets))
    monkeypatch.setattr(decoding, "CHUNK", 7)
    in_pieces = decode(packed(packets))
    for name in (column.name for column in PACKETS):
        assert np.array_equal(
            together.outer[name] if name != "inner" else together.outer[name] >= 0,
            in_pieces.outer[name] if name != "inner" else in_pieces.outer[name] >= 0,
        ), name
    for number in range(len(packets)):
        levels = [
            [(str(name), table[name][row]) for name in table.columns if name not in NOT_VALUES]
            for table, row in chain(together, number)
        ]
        assert levels == [
            [(str(name), table[name][row]) for name in table.columns if name not in NOT_VALUES]
            for table, row in chain(in_pieces, number)
        ]
    order = np.random.default_rng(1).permutation(len(packets))
    shuffled = decode(packed(packets).take(order))
    assert np.array_equal(shuffled.outer["src_lo"], together.outer["src_lo"][order])
    assert np.array_equal(
        shuffled.inner["packet"][shuffled.inner["depth"] == 1].size,
        together.inner["packet"][together.inner["depth"] == 1].size,
    )


def test_inner_rows_know_where_they_belong() -> None:
    packets = decode(packed(packet_bytes.made(12, 2000), width=400))
    inner = packets.inner
    assert inner["depth"].max() >= 2
    outermost = inner["parent"] < 0
    assert np.array_equal(outermost, inner["depth"] == 1)
    rows = np.arange(len(inner))
    assert np.array_equal(packets.outer["inner"][inner["packet"][outermost]], rows[outermost])
    parents = inner["parent"][~outermost]
    assert np.array_equal(inner["inner"][parents], rows[~outermost])
    assert np.array_equal(inner["packet"][parents], inner["packet"][~outermost])
    assert np.array_equal(inner["depth"][parents] + 1, inner["depth"][~outermost])
    assert np.array_equal(inner["carries"][parents], inner["carrier"][~outermost])


def test_arrays_that_do_not_fit_are_refused() -> None:
    good = packed([b"x"])
    with pytest.raises(ValueError, match="length 1"):
        decode(Headers(good.raw, np.zeros(2), good.layer, good.ethertype))
    with pytest.raises(ValueError, match="uint8"):
        decode(Headers(good.raw.astype(np.int16), good.captured, good.layer, good.ethertype))


def test_no_packets_are_no_rows() -> None:
    packets = decode(packed([]))
    assert len(packets.outer) == len(packets.inner) == 0
    assert {column.name for column in PACKETS} == set(packets.outer.columns)
