"""Where in time the events are missing that a text says were lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from perfpath.diagnostics import Diagnostics
    from perfpath.readers.text.record import Lost
    from perfpath.readers.text.rows import Rows


class LossLog:
    """Gives each loss its span.

    Every tool writes a loss just before the next event of the same buffer, so that event's time bounds it from above,
    unless the line has a time itself. From below, the last event of that CPU bounds it, or where the CPU isn't known
    the first event of the recording. A loss after which nothing comes may be anywhere after that.
    """

    def __init__(self, diagnostics: Diagnostics) -> None:
        self._diagnostics = diagnostics
        self._open: list[tuple[Lost, int | None]] = []
        self._last: dict[int, int] = {}
        self._first_ns: int | None = None

    def see(self, rows: Rows, found: list[tuple[int, Lost]]) -> None:
        """Take the rows of some lines, and the losses among them as (row, loss) in the order of the text."""
        filled = np.flatnonzero(rows.format >= 0)
        times, cpus = rows.columns["time_ns"][filled], rows.columns["cpu"][filled]
        if len(filled) and self._open:
            self._close(int(times[0]))
        for row, lost in found:
            behind = int(np.searchsorted(filled, row))
            start = self._before(lost.cpu, times[:behind], cpus[:behind])
            if lost.time_ns is not None:
                self._lose(lost, start, lost.time_ns)
            elif behind < len(filled):
                self._lose(lost, start, int(times[behind]))
            else:
                self._open.append((lost, start))
        if len(filled):
            self._remember(times, cpus)

    def close(self) -> None:
        """The end of the text: losses that nothing follows have no upper bound."""
        for lost, start in self._open:
            self._diagnostics.lose(lost.events, cpu=lost.cpu, start_ns=start)
        self._open.clear()

    def _close(self, end_ns: int) -> None:
        for lost, start in self._open:
            self._lose(lost, start, end_ns)
        self._open.clear()

    def _lose(self, lost: Lost, start_ns: int | None, end_ns: int) -> None:
        if start_ns is not None and start_ns > end_ns:  # not in order: then the text says nothing of the beginning
            start_ns = None if self._first_ns is None else min(self._first_ns, end_ns)
        self._diagnostics.lose(lost.events, cpu=lost.cpu, start_ns=start_ns, end_ns=end_ns)

    def _before(self, cpu: int, times: np.ndarray, cpus: np.ndarray) -> int | None:
        """The time of the last event before, of that CPU; the first event's where the CPU isn't known."""
        if cpu >= 0:
            same = np.flatnonzero(cpus == cpu)
            if len(same):
                return int(times[same[-1]])
            if cpu in self._last:
                return self._last[cpu]
        if self._first_ns is not None:
            return self._first_ns
        return int(times.min()) if len(times) else None

    def _remember(self, times: np.ndarray, cpus: np.ndarray) -> None:
        if self._first_ns is None:
            self._first_ns = int(times.min())
        latest = np.full(int(cpus.max()) + 2, -1, np.int64)
        latest[cpus] = np.arange(len(cpus))  # the last of equal indexes wins
        for cpu in np.flatnonzero(latest >= 0).tolist():
            self._last[cpu] = int(times[latest[cpu]])
