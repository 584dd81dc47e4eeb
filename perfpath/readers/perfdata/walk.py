"""From one record to the next: the chain of record headers, each of which says how long its record is.

Following it is a loop of a million steps that numpy can't do for us, so the buffer is walked in many places at once:
lanes begin wherever something looks like a record, and all take a step at a time. A lane is believed only if the lane
before ends exactly where it begins; where that fails, plain steps lead on until they meet a lane's beginning. So a
wrong guess costs time and never a wrong record, and sizes may alternate as they like.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from perfpath.readers.perfdata.records import FIRST_OF_PERF, RECORD_HEADER_SIZE, Record

if TYPE_CHECKING:
    import numpy.typing as npt

    from perfpath.readers.perfdata.gather import Offsets
    from perfpath.tables import Array

LANE_BYTES = 4096
_SEARCHED = 64  # slots from the nominal beginning of a lane in which a record is looked for
_FEWEST_LANES = 8
_AT_ONCE = 4  # steps between two looks at which lanes have ended
_RUNNING = 64  # the walk goes on while one in so many lanes runs


@dataclass(frozen=True, slots=True)
class Chain:
    """Whole records of the kernel, FINISHED_ROUNDs among them, in sequence. end: the first byte not walked."""

    at: Offsets
    kinds: Array
    sizes: Offsets
    end: int


def chain(buffer: npt.NDArray[np.uint8], end: int, order: str) -> Chain:
    """The records from the buffer's first byte; buffer has SLACK zero bytes behind `end`.

    The walk stops before `end`, before a record that perf itself wrote (other than FINISHED_ROUND), before one that
    isn't whole, and before a header that can't be.
    """
    slots = end // 8
    kinds = np.ndarray((slots + 1,), order + "u4", buffer=buffer, strides=(8,))
    sizes = np.ndarray((slots + 1,), order + "u2", buffer=buffer, offset=6, strides=(8,))
    if end >= _FEWEST_LANES * LANE_BYTES:
        places = _by_lanes(buffer, kinds, sizes, slots, order)
    else:
        places = np.array(_by_steps(buffer, 0, slots, order, ())[0], np.int64)
    heads = np.ndarray((slots + 1,), order + "u8", buffer=buffer).take(places, mode="clip")
    kind, size = _halves(heads, order)
    at = places * 8
    # what follows a record that stops the walk may be anything
    stop = (kind >= FIRST_OF_PERF) & (kind != Record.FINISHED_ROUND)
    stop |= (size < RECORD_HEADER_SIZE) | (size % 8 != 0) | (at + size > end)
    if stop.any():
        last = int(np.argmax(stop))
        return Chain(at[:last], kind[:last], size[:last], int(at[last]))
    return Chain(at, kind, size, int(at[-1] + size[-1]) if len(at) else 0)


def _halves(heads: Array, order: str) -> tuple[Array, Offsets]:
    """Types and sizes of records, of which u32 type, u16 misc, u16 size are one word here."""
    heads = heads.astype(np.uint64, copy=False)
    if order == "<":
        return heads.astype(np.uint32), (heads >> np.uint64(48)).view(np.int64)
    return (heads >> np.uint64(32)).astype(np.uint32), (heads & np.uint64(0xFFFF)).view(np.int64)


def _by_steps(
    buffer: npt.NDArray[np.uint8], place: int, slots: int, order: str, until: set[int] | tuple[()]
) -> tuple[list[int], int]:
    """One step after the other, to a place that is in `until` or to the end: the places passed, and the last one."""
    size_at = struct.Struct(order + "H").unpack_from
    found: list[int] = []
    data = buffer.data
    while place < slots and place not in until:
        found.append(place)
        (size,) = size_at(data, 8 * place + 6)
        if size < RECORD_HEADER_SIZE or size % 8:
            return found, slots
        place += size >> 3
    return found, place


def _by_lanes(buffer: npt.NDArray[np.uint8], kinds: Array, sizes: Array, slots: int, order: str) -> Offsets:
    begins = _guesses(kinds, sizes, slots)
    ends = np.append(begins[1:], slots)
    passed, counts, exits = _walk(sizes, begins, ends, slots)
    # lane n is joined to lane n + 1 where it ends at that one's beginning
    breaks = np.flatnonzero(exits != ends)
    lanes = {int(begin): lane for lane, begin in enumerate(begins.tolist())} if len(breaks) else {}
    known = set(lanes)
    pieces, lane = [], 0
    while lane < len(begins):
        next_break = np.searchsorted(breaks, lane)
        last = int(breaks[next_break]) if next_break < len(breaks) else len(begins) - 1
        pieces.append(_passed(passed, counts, lane, last + 1))
        if not 0 <= exits[last] < slots:
            break
        found, place = _by_steps(buffer, int(exits[last]), slots, order, known)
        pieces.append(np.array(found, np.int64))
        lane = lanes.get(place, len(begins))
    return np.concatenate(pieces)


def _guesses(kinds: Array, sizes: Array, slots: int) -> Offsets:
    """Places that look like samples with another record behind them, at most one for each lane; the first is 0."""
    lane = LANE_BYTES // 8
    window = kinds[: slots // lane * lane].reshape(-1, lane)[1:, :_SEARCHED]
    row, offset = np.nonzero(window == Record.SAMPLE)
    place = (row + 1) * lane + offset
    size = sizes[place]
    likely = (size >= 2 * RECORD_HEADER_SIZE) & (size % 8 == 0)
    row, place, size = row[likely], place[likely], size[likely]
    behind = np.minimum(place + (size >> 3), slots)
    kind = kinds[behind]
    likely = ((kind < FIRST_OF_PERF) & (kind > 0) | (kind == Record.FINISHED_ROUND)) & (sizes[behind] % 8 == 0)
    row, place = row[likely], place[likely]
    first = np.ones(len(row), bool)
    first[1:] = row[1:] != row[:-1]
    return np.concatenate([np.zeros(1, np.int64), place[first]])


def _walk(sizes: Array, begins: Offsets, ends: Offsets, slots: int) -> tuple[Offsets, Offsets, Offsets]:
    """All lanes at once: places passed (step, lane), how many of them are before the lane's end, and where it left.

    A lane that meets a size that can't be stays there; it is told by its exit. When few are left that haven't ended
    (where nothing looked like a sample for long), they leave where they are: plain steps lead on from there.
    """
    ahead = sizes >> 3
    place, steps = begins, []
    running = len(begins)
    while running > len(begins) // _RUNNING:
        for _ in range(_AT_ONCE):
            steps.append(place)
            before, place = place, place + ahead.take(place, mode="clip")  # the last is the zeros behind the data
        running = int(np.count_nonzero((place < ends) & (place != before)))
    steps.append(place)
    passed = np.array(steps)
    inside = passed < ends
    inside[1:] &= passed[1:] != passed[:-1]
    counts = inside.sum(axis=0)
    unfinished = inside[-1]
    counts[unfinished] -= 1
    stuck = (passed[-1] < ends) & ~unfinished
    exits = np.minimum(passed[np.minimum(counts, len(passed) - 1), np.arange(len(begins))], slots)
    return passed, counts, np.where(stuck, -1, exits)


def _passed(passed: Offsets, counts: Offsets, first: int, last: int) -> Offsets:
    """The places that lanes first to last passed, in sequence."""
    rows = passed[:, first:last].T
    return rows[np.arange(rows.shape[1]) < counts[first:last, None]]
