"""Results that are kept are the ones that would be worked out anew, whatever is asked for in which order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from perfpath.firstbytes import PACKET, FirstBytes
from perfpath.packets import memo
from perfpath.packets.memo import Memo

if TYPE_CHECKING:
    from perfpath.tables import Array


def numbered(count: int) -> FirstBytes:
    packets = np.zeros(count, PACKET)
    packets["length"] = np.arange(count) + 1
    found = FirstBytes()
    found.add(packets)
    return found


@given(st.lists(st.lists(st.integers(-1, 299), max_size=20), max_size=20), st.integers(0, 50), st.integers(1, 40))
def test_as_if_worked_out_anew(asked: list[list[int]], kept: int, chunk: int) -> None:
    packets, worked = numbered(300), []

    def length(some: Array) -> Array:
        worked.append(len(some))
        return some["length"]

    before = memo.KEPT, memo.CHUNK
    memo.KEPT, memo.CHUNK = kept, chunk
    try:
        one = Memo(packets, length, np.uint32)
        for numbers in asked:
            wanted = np.array(numbers, np.int64)
            assert one.of(wanted).tolist() == [number + 1 for number in numbers]
    finally:
        memo.KEPT, memo.CHUNK = before


def test_each_packet_once() -> None:
    packets, worked = numbered(1000), [0]

    def length(some: Array) -> Array:
        worked[0] += len(some)
        return some["length"]

    one = Memo(packets, length, np.uint32)
    for end in range(1, 1001, 7):
        one.of(np.arange(max(end - 100, 0), end))
    assert worked[0] <= 1000
