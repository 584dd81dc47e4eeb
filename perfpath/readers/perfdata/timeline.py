"""What was true of a thread since when: look-ups for whole columns of (thread, time)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from perfpath.tables import distinct

if TYPE_CHECKING:
    from perfpath.tables import Array

BEFORE_ALL, AFTER_ALL = -(2**63), 2**63 - 1
_PID_MAX = 1 << 22  # PID_MAX_LIMIT of 64-bit kernels
_COMPACT_AT = 4096


class Timeline:
    """Entries (tid, time_ns, value), written in time order for each thread."""

    def __init__(self, missing: int, dtype: type[np.integer[Any]] = np.int64) -> None:
        self.current: dict[int, int] = {}
        self._missing = missing
        self._dtype = dtype
        self._tid: list[int] = []
        self._time: list[int] = []
        self._value: list[int] = []
        self._index: _Index | None = None
        self._compact_at = _COMPACT_AT

    def set(self, tid: int, time_ns: int, value: int) -> bool:
        """From this time on the value is true of the thread; False where it already was."""
        if self.current.get(tid) == value:
            return False
        self.current[tid] = value
        self._tid.append(tid)
        self._time.append(time_ns)
        self._value.append(value)
        self._index = None
        return True

    def at(self, tids: Array, times: Array) -> Array:
        """The value for each (tid, time); "missing" where none is known."""
        if not self._tid:
            return np.full(len(tids), self._missing, self._dtype)
        if self._index is None:
            self._index = _Index(self._tid, self._time, np.array(self._value, self._dtype))
        return self._index.look_up(tids, times, self._missing)

    def forget(self, before_ns: int) -> None:
        """Drop what no later question can ask for, where it is worth it: all but the last entry before a time."""
        if len(self._tid) < self._compact_at:
            return
        last = {
            tid: row for row, (tid, time) in enumerate(zip(self._tid, self._time, strict=True)) if time <= before_ns
        }
        keep = [
            row
            for row, (tid, time) in enumerate(zip(self._tid, self._time, strict=True))
            if time > before_ns or last[tid] == row
        ]
        self._tid = [self._tid[row] for row in keep]
        self._time = [self._time[row] for row in keep]
        self._value = [self._value[row] for row in keep]
        self._compact_at = max(_COMPACT_AT, 2 * len(keep))
        self._index = None


class _Index:
    """The entries sorted by (tid, time), with each thread's first and last row; thread 0 is an unknown one."""

    def __init__(self, tids: list[int], times: list[int], values: Array) -> None:
        tid, time = np.array(tids, np.int64), np.array(times, np.int64)
        order = np.lexsort((np.arange(len(tid)), time, tid))
        self._time, self._value = time[order], values[order]
        self._tids, first, count = np.unique(tid[order], return_index=True, return_counts=True)
        self._first, self._last = np.append(0, first), np.append(0, first + count - 1)
        # times become ranks, so that thread and time fit in one sortable number
        self._ranks = distinct(self._time)
        thread = np.repeat(np.arange(1, len(self._first)), count)
        self._key = thread * (len(self._ranks) + 1) + np.searchsorted(self._ranks, self._time, "right")
        self._table: Array | None = None
        if self._tids[0] >= 0 and self._tids[-1] < _PID_MAX:
            self._table = np.zeros(int(self._tids[-1]) + 2, np.int32)  # most of it is never touched
            self._table[self._tids] = np.arange(1, len(self._first))

    def _threads(self, tids: Array) -> Array:
        """The number of each thread among the known ones, 0 for others."""
        if self._table is not None:  # its last is 0, and is that of -1, too
            return self._table.take(tids.astype(np.int32, copy=False).view(np.uint32), mode="clip")
        place = np.minimum(np.searchsorted(self._tids, tids), len(self._tids) - 1)
        return np.where(self._tids[place] == tids, place + 1, 0)

    def look_up(self, tids: Array, times: Array, missing: int) -> Array:
        """The value of the last entry that isn't newer than the time."""
        now, newest = self._value[self._last], self._time[self._last]
        now[0], newest[0] = missing, BEFORE_ALL
        thread = self._threads(tids)
        found: Array = now.take(thread)
        newer = newest > int(times.min(initial=AFTER_ALL))
        if newer.any():
            earlier = np.flatnonzero(newer.take(thread))
            found[earlier] = self._among_several(thread[earlier], times[earlier], missing)
        return found

    def _among_several(self, thread: Array, times: Array, missing: int) -> Array:
        key = thread.astype(np.int64) * (len(self._ranks) + 1) + np.searchsorted(self._ranks, times, "right")
        row = np.maximum(np.searchsorted(self._key, key, "right") - 1, self._first[thread])
        return np.where(self._time[row] <= times, self._value[row], missing)
