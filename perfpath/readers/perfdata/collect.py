"""Tables of one source as one: each row is copied once, to where it stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perfpath.readers.perfdata.columns import missing
from perfpath.tables import Table

if TYPE_CHECKING:
    from perfpath.tables import Array

EVENT_BYTES = 64
"""A tracepoint's record is hardly smaller. Memory that is reserved too much is never touched, and costs nothing."""


MOST_ROOM = 1 << 24  # a sparse file may claim any size


class Collector:
    """Columns that grow by a table at a time.

    A column that has one value everywhere stays a view of it. expected: how many rows there may be; more are no harm.
    """

    def __init__(self, expected: int) -> None:
        self._room = max(min(expected, MOST_ROOM), 1)
        self._length = 0
        self._columns: dict[str, Array] = {}
        self._first: Table | None = None

    def __len__(self) -> int:
        """How many rows there are."""
        return self._length

    @property
    def begun(self) -> bool:
        """Whether there was any table."""
        return self._first is not None

    def add(self, table: Table) -> None:
        """Take some rows; the columns of a table without rows count only where there is none with."""
        if self._first is None or not self._length:
            self._first = table
        if not len(table):
            return
        before, self._length = self._length, self._length + len(table)
        if self._length > self._room:
            self._room = 2 * self._length
        for name in dict.fromkeys((*self._columns, *table.columns)):
            self._columns[name] = self._grown(name, table, before)

    def _grown(self, name: str, table: Table, before: int) -> Array:
        """A column with a table's rows behind the rows before."""
        old, new = self._columns.get(name), table.columns.get(name)
        if new is not None and _same_everywhere(old, new, before):
            return np.broadcast_to(new[0], self._length)
        dtype = (new if new is not None else old).dtype  # type: ignore[union-attr]
        if old is None:
            old = missing(name, before, dtype)
        if new is None:
            new = missing(name, len(table), dtype)
        room = old.base if isinstance(old.base, np.ndarray) and old.strides != (0,) else None
        if room is None or len(room) < self._length:
            room = np.empty(self._room, dtype)
            room[:before] = old
        room[before : self._length] = new
        return room[: self._length]

    def _fitted(self, name: str) -> Array:
        """A column without the room that wasn't needed, which is given back."""
        column = self._columns.pop(name)
        room = column.base
        if not isinstance(room, np.ndarray) or column.strides == (0,):
            return column
        del column  # nothing else looks at the room
        room.resize(self._length, refcheck=False)
        return room

    def table(self) -> Table:
        """All rows, sorted by time. Raises ValueError where no table was added."""
        if self._first is None:
            raise ValueError("no tables to collect")
        self._columns = {name: self._fitted(name) for name in list(self._columns)}
        result = Table(self._columns, self._first.names) if self._length else self._first
        times = result["time_ns"]
        if len(times) > 1 and not bool((times[1:] >= times[:-1]).all()):
            result = result.take(np.argsort(times, kind="stable"))
        return result


def _same_everywhere(old: Array | None, new: Array, before: int) -> bool:
    """Whether both are views of one element, the same; old: None for a column that none of the rows before has."""
    if new.strides != (0,):
        return False
    return before == 0 if old is None else old.strides == (0,) and bool(old[0] == new[0])
