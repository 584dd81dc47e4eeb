"""Bytes kept beside tables come back by their number, until they are forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfpath import firstbytes
from perfpath.firstbytes import PACKET, WIDTH, FirstBytes, packed
from perfpath.packets import headers

if TYPE_CHECKING:
    from perfpath.tables import Array


def packets(*firsts: int) -> Array:
    found = np.zeros(len(firsts), PACKET)
    found["length"] = firsts
    return found


@given(st.lists(st.lists(st.integers(1, 2**32 - 1), max_size=5), max_size=8), st.data())
def test_every_packet_comes_back_by_its_number(parts: list[list[int]], data: st.DataObject) -> None:
    kept, everything = FirstBytes(), [number for part in parts for number in part]
    firsts = [kept.add(packets(*part)) for part in parts]
    assert firsts == [sum(map(len, parts[:at])) for at in range(len(parts))]
    assert len(kept) == len(everything)
    numbers = data.draw(st.lists(st.integers(-1, len(everything) - 1), max_size=20))
    found = kept.take(np.array(numbers, np.int64))
    assert found["length"].tolist() == [everything[number] if number >= 0 else 0 for number in numbers]
    before = data.draw(st.integers(0, len(everything)))
    kept.forget(before)
    later = np.arange(before, len(everything))
    assert kept.take(later)["length"].tolist() == everything[before:]
    assert kept.missed == 0


def test_what_was_forgotten_is_unknown_and_counted() -> None:
    kept = FirstBytes()
    kept.add(packets(1, 2))
    kept.add(packets(3))
    kept.forget(3)
    assert kept.take(np.array([0, 2, -1]))["layer"].tolist() == [0, 0, 0]
    assert kept.missed == 2
    assert kept.add(packets(4)) == 3
    assert kept.take(np.array([3]))["length"].tolist() == [4]


def test_a_packet_that_was_never_added_is_an_error() -> None:
    with pytest.raises(IndexError):
        FirstBytes().take(np.array([0]))


@given(st.integers(1, 2 * WIDTH), st.integers(-3, 3 * WIDTH))
def test_packed_keeps_the_captured_bytes_and_nothing_else(width: int, captured: int) -> None:
    raw = np.full((2, width), 7, np.uint8)
    count = np.array([captured, 0])
    zeros = np.zeros(2, np.int64)
    found = packed(raw, count, layer=zeros, ethertype=zeros, network=zeros, length=zeros)
    kept = max(min(captured, width, WIDTH), 0)
    assert found["captured"].tolist() == [kept, 0]
    assert bytes(found["raw"][0]) == bytes([7] * kept + [0] * (WIDTH - kept))
    assert not found["raw"][1].any()
    assert found["vlan"].tolist() == [-1, -1]


def test_layers_are_those_that_decoding_knows() -> None:
    assert (firstbytes.ETHERNET, firstbytes.NETWORK) == (headers.ETHERNET, headers.NETWORK)
