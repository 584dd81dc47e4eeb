"""What the kernel couldn't write: which CPU's buffer overflowed, and between which moments."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perfpath.diagnostics import Loss

if TYPE_CHECKING:
    from perfpath.diagnostics import Diagnostics
    from perfpath.readers.perfdata.gather import Offsets
    from perfpath.readers.perfdata.sideband import Trailer
    from perfpath.tables import Array

_CPUS = 1 << 15


class Losses:
    """Turns LOST, LOST_SAMPLES and THROTTLE records into diagnostics.

    A LOST record stands in its CPU's buffer where the hole is: the hole began after that CPU's last event before it.
    LOST_SAMPLES (perf >= 6.1, at the end) count the same losses once more, for each event and CPU, and besides them
    those at the very end, of which no LOST could tell.
    """

    def __init__(self, diagnostics: Diagnostics) -> None:
        self._diagnostics = diagnostics
        self._last = np.full(_CPUS, -1, np.int64)
        self._run: list[tuple[int, int, Trailer]] = []
        self._seen: set[tuple[int, Trailer]] = set()
        self._stopped: dict[tuple[int, int], int] = {}  # CPU and event -> which of the losses
        self._told = 0
        self._counted = 0

    def lost(self, count: int, trailer: Trailer, at: int) -> None:
        """A LOST record at a place of the current run; one that perf wrote twice (see duplicates) counts once."""
        if trailer.time_ns and trailer.cpu >= 0:
            if (count, trailer) in self._seen:
                return
            self._seen.add((count, trailer))
        self._run.append((at, count, trailer))

    def lost_samples(self, count: int) -> None:
        """A LOST_SAMPLES record."""
        self._counted += count

    def throttled(self, time_ns: int, event: int, trailer: Trailer) -> None:
        """The kernel stopped an event that came too often; how many it left out is not known."""
        if (trailer.cpu, event) in self._stopped:
            return
        self._diagnostics.note(
            "throttled",
            "the kernel throttled an event that came too often: some are missing",
            severity="error",
            example=f"CPU {trailer.cpu} at {time_ns} ns",
            advice="raise sysctl kernel.perf_event_max_sample_rate",
        )
        self._stopped[trailer.cpu, event] = len(self._diagnostics.losses)
        self._diagnostics.lose(0, cpu=trailer.cpu, start_ns=time_ns)

    def unthrottled(self, time_ns: int, event: int, trailer: Trailer) -> None:
        """The event goes on: its hole, which had no end until now, has one."""
        hole = self._stopped.pop((trailer.cpu, event), None)
        if hole is not None:
            begun = self._diagnostics.losses[hole]
            self._diagnostics.losses[hole] = Loss(0, begun.cpu, begun.start_ns, max(time_ns, begun.start_ns or 0))

    def after_run(self, at: Offsets, cpus: Array, times: Array) -> None:
        """The samples of the run whose records have been told: where, on which CPU, when."""
        for place, count, trailer in self._run:
            before = np.flatnonzero((at < place) & (cpus == trailer.cpu))
            since = int(times[before[-1]]) if len(before) else int(self._last[trailer.cpu])
            known = trailer.cpu >= 0 and since >= 0
            self._diagnostics.lose(
                count, cpu=trailer.cpu, start_ns=since if known else None, end_ns=trailer.time_ns or None
            )
            self._told += count
        self._run.clear()
        usable = cpus if not len(cpus) or cpus.min() >= 0 else np.maximum(cpus, 0)
        self._last[usable] = times  # of equal CPUs the last one stays

    def close(self) -> None:
        """The end of the recording: add what only LOST_SAMPLES tells of.

        Their CPU isn't reliable (perf 6.1 writes 0), but such a hole has begun after the last event of some CPU.
        """
        extra = self._counted - self._told
        if extra > 0:
            seen = self._last[self._last >= 0]
            self._diagnostics.lose(extra, start_ns=int(seen.min()) if len(seen) else None)
