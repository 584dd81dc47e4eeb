"""Whether records of the kernel that aren't samples can be what they say: a damaged type hides a sample.

Each ends in a trailer (sample_id), whose id is an event's of the recording, or all zeros where perf made the record up.
Before it stand process and thread ids, a name padded to whole words, or as many entries as a count says.
(include/uapi/linux/perf_event.h, enum perf_event_type)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perfpath.readers.perfdata.gather import Offsets, halves, words
from perfpath.readers.perfdata.records import KNOWN, LONGEST, RECORD_HEADER_SIZE, SIZES, Record, SampleType
from perfpath.tables import distinct

if TYPE_CHECKING:
    import numpy.typing as npt

    from perfpath.readers.perfdata.layout import SampleLayout
    from perfpath.readers.perfdata.state import State
    from perfpath.tables import Array

    Mask = npt.NDArray[np.bool_]

MMAP, EXIT, READ, MMAP2, ITRACE_START, SWITCH_CPU_WIDE, KSYMBOL, CGROUP, DEFERRED = 1, 4, 8, 10, 12, 15, 17, 19, 22
_PIDS = {Record.COMM: 1, Record.FORK: 2, Record.NAMESPACES: 1, MMAP: 1, EXIT: 2, READ: 1, MMAP2: 1, ITRACE_START: 1}
_PIDS |= {SWITCH_CPU_WIDE: 1}
"""How many words of two ids stand behind the header."""
_TEXTS = {Record.COMM: 16, MMAP: 40, MMAP2: 64, KSYMBOL: 24, CGROUP: 16}
"""Where a name begins that goes on to the trailer (MMAP2's at 72 since Linux 3.16)."""
_ENTRIES = {Record.NAMESPACES: 16, DEFERRED: 8}
"""Bytes of an entry, as many of which as the u64 at 16 says go from 24 to the trailer."""
_MOST_PID = 1 << 22  # PID_MAX_LIMIT; -1 is the kernel
_MOST_CPU = 1 << 16
_TIME_END = np.uint64(1 << 62)
_ONES, _TOPS = np.uint64(0x0101_0101_0101_0101), np.uint64(0x8080_8080_8080_8080)
_KINDS = 128
_SIZES, _LONGEST = np.full(_KINDS, -1), np.full(_KINDS, 1 << 16)  # by type, of which there are fewer
_SIZES[list(SIZES)] = list(SIZES.values())
_LONGEST[list(LONGEST)] = list(LONGEST.values())


def sized(kinds: npt.NDArray[np.uint32], sizes: Offsets, layouts: list[SampleLayout]) -> Mask:
    """Which records have a size that their type can have, with or without any of the layouts' trailers.

    Where one is too long, it hides what stands behind it.
    """
    kinds = np.minimum(kinds, _KINDS - 1)
    over, most = sizes - _SIZES[kinds], sizes - _LONGEST[kinds]
    trailers = [0, *{8 * len(layout.trailer) for layout in layouts}]
    fine: Mask = (_SIZES[kinds] < 0) & (most <= max(trailers))
    for trailer in trailers:
        fine |= over == trailer
    return fine


def credible(
    buffer: npt.NDArray[np.uint8], at: Offsets, kinds: npt.NDArray[np.uint32], sizes: Offsets, state: State
) -> Mask:
    """Which records at these offsets can be of their types, as far as those are known here."""
    fine = np.ones(len(at), bool)
    checked = np.isin(kinds, KNOWN[0])  # what nobody knows has no trailer, for all we know
    for layout, found in _by_trailer(buffer, at, sizes, state):
        rows = found[checked[found]]
        ends = at[rows] + sizes[rows] - 8 * len(layout.trailer)
        known, possible = _trailers(buffer, ends, layout, state)
        fine[rows] = possible & (ends - at[rows] >= RECORD_HEADER_SIZE)
        doubtful = ~known & fine[rows]
        rows, ends = rows[doubtful], ends[doubtful]
        fine[rows] = _inside(buffer, at[rows], ends, kinds[rows], state.order)
    return fine


def _by_trailer(
    buffer: npt.NDArray[np.uint8], at: Offsets, sizes: Offsets, state: State
) -> list[tuple[SampleLayout, Array]]:
    """Which records have which trailer: an id at their end tells, and the first layout's is everybody else's."""
    if len(state.layouts) == 1:
        return [(state.layouts[0], np.arange(len(at)))]
    attrs = state.attrs_of(words(buffer, at + sizes - 8, state.order))
    layouts = np.array([*state.layout_of_attr, 0], np.int16)[attrs]
    return [(layout, np.flatnonzero(layouts == number)) for number, layout in enumerate(state.layouts)]


def _trailers(buffer: npt.NDArray[np.uint8], begins: Offsets, layout: SampleLayout, state: State) -> tuple[Mask, Mask]:
    """Which trailers have the id of an event of this recording, and which can be trailers at all."""
    count = len(layout.trailer)
    found = {
        field: words(buffer, np.maximum(begins + 8 * (count - place), 0), state.order)
        for field, place in ((field, back // 8) for field, back in layout.trailer.items())
    }
    known = np.zeros(len(begins), bool)
    fine = np.ones(len(begins), bool)
    if SampleType.TID in found:
        fine &= _are_pids(found[SampleType.TID], state.order)
    if SampleType.TIME in found:
        fine &= found[SampleType.TIME] < _TIME_END
    if SampleType.CPU in found:
        cpu, reserved = halves(found[SampleType.CPU], state.order)
        fine &= (reserved == 0) & ((cpu < _MOST_CPU) | (cpu == 0xFFFF_FFFF))
    ids = found.get(SampleType.IDENTIFIER, found.get(SampleType.ID))
    if ids is not None and state.has_ids:
        known = state.attrs_of(ids) >= 0
        made_up = ids == 0
        if SampleType.TIME in found:
            made_up &= found[SampleType.TIME] == 0
        fine &= known | made_up
    return known, fine


def _inside(
    buffer: npt.NDArray[np.uint8], at: Offsets, ends: Offsets, kinds: npt.NDArray[np.uint32], order: str
) -> Mask:
    """Which records' own parts, up to where their trailers begin, can be of their type."""
    fine = np.ones(len(at), bool)
    for kind in distinct(kinds).tolist():
        rows = np.flatnonzero(kinds == kind)
        begins, stops = at[rows], ends[rows]
        for number in range(_PIDS.get(kind, 0)):
            fine[rows] &= _are_pids(words(buffer, begins + RECORD_HEADER_SIZE + 8 * number, order), order)
        if kind in _TEXTS:
            fine[rows] &= (stops - begins > _TEXTS[kind]) & _end_texts(words(buffer, stops - 8, order))
        if kind in _ENTRIES:
            counts = words(buffer, begins + 16, order)
            fine[rows] &= counts * np.uint64(_ENTRIES[kind]) == (stops - begins - 24).astype(np.uint64)
    return fine


def _are_pids(values: Array, order: str) -> Mask:
    """Which words are two ids of processes or threads."""
    fine = np.ones(len(values), bool)
    for each in halves(values, order):
        fine &= (each <= _MOST_PID) | (each == 0xFFFF_FFFF)
    return fine


def _end_texts(values: Array) -> Mask:
    """Which words have a NUL: a name's last word. What stands behind it may be another name's (perf 3 to 6)."""
    fine: Mask = ((values - _ONES) & ~values & _TOPS) != 0
    return fine
