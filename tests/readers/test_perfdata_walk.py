"""The walk in many lanes at once finds the records that a plain walk finds, whatever stands between them."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from perfpath.readers.perfdata.gather import SLACK
from perfpath.readers.perfdata.walk import LANE_BYTES, chain

if TYPE_CHECKING:
    from collections.abc import Sequence

MMAP2, SAMPLE = 10, 9


def walked(records: Sequence[tuple[int, int]], filling: int, order: str) -> tuple[list[int], list[int], int, int]:
    """What the walk says of records (type, size) whose payload is one repeated word; and where they really end."""
    data = b"".join(
        struct.pack(order + "IHH", kind, 0, size) + struct.pack(order + "Q", filling) * (size // 8 - 1)
        for kind, size in records
    )
    buffer = np.zeros(len(data) + SLACK, np.uint8)
    buffer[: len(data)] = np.frombuffer(data, np.uint8)
    found = chain(buffer, len(data), order)
    return found.kinds.tolist(), found.sizes.tolist(), found.end, len(data)


@settings(max_examples=40, deadline=None)
@given(
    stretches=st.lists(
        st.tuples(st.sampled_from((MMAP2, SAMPLE)), st.integers(2, 40), st.integers(1, 900)), min_size=1, max_size=12
    ),
    filling=st.sampled_from((0, SAMPLE, SAMPLE | 16 << 48, 2**64 - 1)),
    order=st.sampled_from("<>"),
)
def test_stretches_of_any_records(stretches: list[tuple[int, int, int]], filling: int, order: str) -> None:
    """Also payloads that look like headers of samples, and stretches without any sample, longer than many lanes."""
    records = [(kind, 8 * words) for kind, words, times in stretches for _ in range(times)]
    kinds, sizes, end, length = walked(records, filling, order)
    assert (kinds, sizes) == ([kind for kind, _ in records], [size for _, size in records])
    assert end == length


def test_a_few_long_lanes_among_many_short_ones() -> None:
    """Where no sample is found for megabytes, and everything else is as usual."""
    usual = [(SAMPLE, 96), (SAMPLE, 104)] * 4000
    records = [*usual, *[(MMAP2, 120)] * (64 * LANE_BYTES // 120), *usual]
    kinds, sizes, end, length = walked(records, 0, "<")
    assert list(zip(kinds, sizes, strict=True)) == records
    assert end == length


def test_a_size_that_cannot_be_ends_the_walk_before_it() -> None:
    """In the middle of a lane, with whole records on both sides."""
    records = [*[(SAMPLE, 96)] * 3000, (SAMPLE, 8), *[(SAMPLE, 96)] * 3000]
    data = bytearray(b"".join(struct.pack("<IHH", kind, 0, size) + bytes(size - 8) for kind, size in records))
    struct.pack_into("<H", data, 3000 * 96 + 6, 0)
    buffer = np.zeros(len(data) + SLACK, np.uint8)
    buffer[: len(data)] = np.frombuffer(bytes(data), np.uint8)
    found = chain(buffer, len(data), "<")
    assert len(found.at) == 3000
    assert found.end == 3000 * 96
