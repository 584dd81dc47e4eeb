"""Samples that perf wrote twice.

perf_mmap__push (tools/perf/util/mmap.c) reads the head of a CPU's ring twice: it writes what stands before the second
one, and begins at the first one in the next round. What arrived between the two readings ends a round's part of that
CPU and begins the next one's:

    CPU 0: a b c | CPU 1: x y | FINISHED_ROUND | CPU 0: b c d | CPU 1: z
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from perfpath.readers.perfdata.columns import without
from perfpath.readers.perfdata.timeline import BEFORE_ALL
from perfpath.tables import among, distinct

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from perfpath.diagnostics import Diagnostics
    from perfpath.readers.perfdata.columns import Columns
    from perfpath.readers.perfdata.gather import Offsets
    from perfpath.tables import Array

KEPT_TURNS, KEPT_ROWS = 4, 1024
"""Of each CPU its last records of earlier runs are kept: a softirq between the two readings takes up to 300 packets."""


@dataclass(frozen=True, slots=True)
class _Tail:
    """The last samples of a CPU's turn: records stand in `data` at `starts`, which is ascending."""

    times: Array
    rounds: Array
    starts: Offsets
    data: bytes


class Duplicates:
    """Finds samples whose whole record, and so time, CPU, event and RAW, stood in an earlier round of their CPU.

    A CPU's records are in time order, so that only one that isn't newer than all before it can be such a record: on the
    normal path nothing else is looked at. by_rounds: two equal records of one round are two events (a coarse clock);
    False for recordings that have no rounds.
    """

    def __init__(self, diagnostics: Diagnostics) -> None:
        self._diagnostics = diagnostics
        self._byteorder: Literal["little", "big"] = "little"
        self.by_rounds = True
        self._newest: dict[int, int] = {}
        self._tails: dict[int, deque[_Tail]] = {}
        self._round = 0

    def round_ended(self) -> None:
        """A FINISHED_ROUND that stands in no run."""
        self._round += 1

    def without(self, buffer: npt.NDArray[np.uint8], columns: Columns, rounds: Offsets, order: str) -> Columns:
        """The run's samples without those that were read before.

        rounds: where in the buffer rounds ended, ascending. order: the byte order of record headers.
        """
        self._byteorder = "little" if order == "<" else "big"
        at, cpus = columns["at"], columns["cpu"]
        again: list[int] = []
        if len(at):
            rows = self._doubtful(columns["time_ns"], cpus)
            if len(rows):
                again = self._repeated(buffer, columns, rounds, rows)
            self._remember(buffer, columns, rounds)
        self._round += len(rounds)
        if not again:
            return columns
        self._diagnostics.note(
            "duplicate-record",
            "samples that perf wrote twice, in two rounds: counted once",
            severity="info",
            count=len(again),
            example=f"CPU {int(cpus[again[0]])} at {int(columns['time_ns'][again[0]])} ns",
        )
        return without(columns, again)

    def _doubtful(self, times: Array, cpus: Array) -> Array:
        """Rows that aren't newer than all before them on their CPU."""
        breaks = times[1:] <= times[:-1]
        breaks |= cpus[1:] != cpus[:-1]
        begins = np.concatenate([np.zeros(1, np.int64), np.flatnonzero(breaks) + 1])
        lasts = np.append(begins[1:], len(times)) - 1
        newest = np.empty(len(begins), np.int64)  # on the CPU before this stretch of ascending times
        for cpu, stretches in _grouped(cpus[begins]):
            before = np.append(self._newest.get(cpu, BEFORE_ALL), times[lasts[stretches]])
            np.maximum.accumulate(before, out=before)
            newest[stretches] = before[:-1]
            self._newest[cpu] = int(before[-1])
        if not (times[begins] <= newest).any():
            return begins[:0]
        return np.flatnonzero(times <= np.repeat(newest, lasts - begins + 1))

    def _repeated(self, buffer: npt.NDArray[np.uint8], columns: Columns, rounds: Offsets, doubtful: Array) -> list[int]:
        """Of the doubtful rows those whose record is known from an earlier round."""
        at, times, cpus = columns["at"], columns["time_ns"], columns["cpu"]
        asked = distinct(times[doubtful])
        tails = [(cpu, tail) for cpu in distinct(cpus[doubtful]).tolist() for tail in self._tails.get(cpu, ())]
        rows = np.flatnonzero(among(times, asked))
        of_tails = [np.flatnonzero(among(tail.times, asked)) for _, tail in tails]
        alike = [times[rows], *(tail.times[found] for (_, tail), found in zip(tails, of_tails, strict=True))]
        known, counts = np.unique(np.concatenate(alike), return_counts=True)
        twice = known[counts > 1]
        first: dict[tuple[int, bytes], int] = {}  # record of a CPU -> the round it was first in
        for (cpu, tail), found in zip(tails, of_tails, strict=True):
            for row in found[among(tail.times[found], twice)].tolist():
                record = self._record(tail.data, int(tail.starts[row]))
                first.setdefault((cpu, record), int(tail.rounds[row]))
        again = []
        rows = rows[among(times[rows], twice)]
        for row, round_ in zip(rows.tolist(), self._rounds_of(at[rows], rounds).tolist(), strict=True):
            key = int(cpus[row]), self._record(buffer.data, int(at[row]))
            if key in first and (first[key] < round_ or not self.by_rounds):
                again.append(row)
            first.setdefault(key, round_)
        return again

    def _remember(self, buffer: npt.NDArray[np.uint8], columns: Columns, rounds: Offsets) -> None:
        """Keep the last records of each CPU: of a turn, which is what stands together of one CPU."""
        at, times, cpus = columns["at"], columns["time_ns"], columns["cpu"]
        begins = np.concatenate([np.zeros(1, np.int64), np.flatnonzero(cpus[1:] != cpus[:-1]) + 1])
        ends = np.append(begins[1:], len(cpus))
        for cpu, turns in _grouped(cpus[begins]):
            kept = self._tails.setdefault(cpu, deque(maxlen=KEPT_TURNS))
            for turn in turns[-KEPT_TURNS:].tolist():
                end = int(ends[turn])
                begin = max(int(begins[turn]), end - KEPT_ROWS)
                start, last = int(at[begin]), int(at[end - 1])
                data = buffer[start:last].tobytes() + self._record(buffer.data, last)
                rows = slice(begin, end)
                kept.append(_Tail(times[rows].copy(), self._rounds_of(at[rows], rounds), at[rows] - start, data))

    def _rounds_of(self, at: Offsets, rounds: Offsets) -> Array:
        """The number of the round each place is in; one may end where a record begins."""
        return self._round + np.searchsorted(rounds, at, "right")

    def _record(self, data: bytes | memoryview, start: int) -> bytes:
        """The whole record at a place; its size is a u16 behind type and misc."""
        size = int.from_bytes(data[start + 6 : start + 8], self._byteorder)
        return bytes(data[start : start + size])


def _grouped(cpus: Array) -> Iterator[tuple[int, Array]]:
    """Each CPU, with its rows in their order."""
    order = np.argsort(cpus, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(cpus[order])) + 1):
        yield int(cpus[rows[0]]), rows
