"""Events in the order of time, though the recording has them CPU by CPU."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from perfpath.errors import InputError
from perfpath.readers.perfdata.columns import Columns, no_columns, one_column, taken
from perfpath.readers.perfdata.timeline import BEFORE_ALL

if TYPE_CHECKING:
    from perfpath.diagnostics import Diagnostics
    from perfpath.readers.perfdata.gather import Offsets


ROW_BYTES = 64
"""About what one event takes; while columns are put together there are two of each."""


class TooManyEventsError(InputError):
    """More events would have to be held than this machine has memory for: a few compressed bytes may be billions."""


def most_rows() -> int:
    """How many events may be held: those that take a quarter of the machine's memory, 4 GiB where it doesn't tell."""
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        memory = 0
    return (memory if memory > 0 else 1 << 32) // 4 // ROW_BYTES


class Ordering:
    """Holds events until nothing older can come.

    perf reads all CPUs' buffers in rounds. What one round found newest was written before the next round began to
    read, so at the end of the *next* round everything up to that time has been seen (ordered-events.c,
    OE_FLUSH__ROUND).

    limit: events up to this time are certain to be complete. seen: the newest event since somebody last reset it.
    whole: all that is given will be sorted once more, so that a late event is no harm.
    """

    def __init__(self, diagnostics: Diagnostics, *, whole: bool = False) -> None:
        self._diagnostics = diagnostics
        self._whole = whole
        self._held: list[Columns] = []
        self._rows = 0
        self._most_rows = most_rows()
        self._newest = BEFORE_ALL
        self._newest_of_round = BEFORE_ALL
        self.limit = BEFORE_ALL
        self.given = BEFORE_ALL
        self.seen = BEFORE_ALL

    @property
    def held(self) -> int:
        """How many events wait."""
        return sum(len(columns["at"]) for columns in self._held)

    def add(self, columns: Columns, rounds: Offsets) -> None:
        """Take a run's events, and the places of the FINISHED_ROUND records between them.

        Raises TooManyEventsError.
        """
        times = columns["time_ns"]
        ends = np.searchsorted(columns["at"], rounds) if len(rounds) else ()
        begin = 0
        if len(times):
            highest = np.maximum.accumulate(times)
        for end in ends:
            if end > begin:
                self._newest = max(self._newest, int(highest[end - 1]))
                begin = end
            self.limit, self._newest_of_round = max(self.limit, self._newest_of_round), self._newest
        if len(times):
            self._newest = max(self._newest, int(highest[-1]))
            self.seen = max(self.seen, int(highest[-1]))
            self._held.append(columns)
            self._rows += len(times)
            if self._rows > self._most_rows:
                raise TooManyEventsError(
                    f"the recording has more than {self._most_rows} events to be held at once, which is too much for "
                    "this machine's memory: read it in pieces (perfpath report --memory 1M)"
                )

    def due(self, until_ns: int) -> bool:
        """Whether any held event is not newer than a time."""
        return any(int(columns["time_ns"].min()) <= until_ns for columns in self._held)

    def release(self, until_ns: int | None) -> Columns:
        """All held events not newer than a time (None: all), sorted; equal times in the order of the file."""
        ready, self._held, candidates = [], [], self._held
        for columns in candidates:
            times = columns["time_ns"]
            due = np.ones(len(times), bool) if until_ns is None else times <= until_ns
            if due.all():
                ready.append(columns)
            elif not due.any():
                self._held.append(columns)
            else:
                ready.append(taken(columns, due))
                self._held.append(taken(columns, ~due))
        columns = _sorted(ready)
        if not self._whole:  # else somebody collects them
            self._rows -= len(columns["at"])
        self._note_late(columns)
        return columns

    def middle(self) -> int:
        """The time that half of the held events are not newer than."""
        times = np.concatenate([columns["time_ns"] for columns in self._held])
        return int(np.partition(times, len(times) // 2)[len(times) // 2])

    def _note_late(self, columns: Columns) -> None:
        times = columns["time_ns"]
        if not len(times):
            return
        late = int(np.searchsorted(times, self.given))
        if late and not self._whole:
            self._diagnostics.note(
                "late-event",
                "events that came after newer ones had been shown",
                count=late,
                example=f"{int(times[0])} ns after {self.given} ns",
            )
        self.given = max(self.given, int(times[-1]))


def _sorted(pieces: list[Columns]) -> Columns:
    """Pieces as one, by time. They are emptied column by column, so that memory that was written once is used again."""
    if not pieces:
        return no_columns()
    lengths = [len(piece["at"]) for piece in pieces]
    times = one_column("time_ns", [piece["time_ns"] for piece in pieces], lengths)
    order = None if bool((times[1:] >= times[:-1]).all()) else np.argsort(times, kind="stable")
    if order is None and len(pieces) == 1:
        return pieces[0]
    result: Columns = {}
    for name in dict.fromkeys(name for piece in pieces for name in piece):
        found = [piece.pop(name, None) for piece in pieces]
        one = found[0] if len(found) == 1 and found[0] is not None else one_column(name, found, lengths)
        result[name] = one if order is None else taken({name: one}, order)[name]
    return result
