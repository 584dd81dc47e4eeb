"""Brings events into the order of time: text is written CPU by CPU, in runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perfpath.tables import Array, Table, concatenated

if TYPE_CHECKING:
    from perfpath.diagnostics import Diagnostics


class Order:
    """Holds events back until nothing earlier is to be expected.

    hold_ns: an event is handed on when one that much later was seen. Events that come later still are handed on at
    once and counted ("late-event").
    """

    def __init__(self, empty: Table, diagnostics: Diagnostics, hold_ns: int) -> None:
        self._empty = empty
        self._diagnostics = diagnostics
        self._hold_ns = hold_ns
        self._held: list[Table] = []
        self._latest: int | None = None
        self._released: int | None = None

    def add(self, table: Table) -> None:
        """Take events in any order."""
        if not len(table):
            return
        self._held.append(table)
        latest = int(table["time_ns"].max())
        self._latest = latest if self._latest is None else max(latest, self._latest)

    def release(self, *, everything: bool) -> Table:
        """What can be handed on, in time order; events of one time stay in the order of the text."""
        if not self._held or self._latest is None:
            return self._empty
        table = _by_time(concatenated(self._held))
        times = table["time_ns"]
        count = len(table) if everything else int(np.searchsorted(times, self._latest - self._hold_ns, "right"))
        self._held = [table.take(slice(count, None))] if count < len(table) else []
        if not count:
            return self._empty
        self._count_late(times[:count])
        self._released = max(int(times[count - 1]), self._released or int(times[count - 1]))
        return table if count == len(table) else table.take(slice(0, count))

    def _count_late(self, times: Array) -> None:
        if self._released is None or times[0] >= self._released:
            return
        self._diagnostics.note(
            "late-event",
            "events came out of order, after later ones were handed on",
            count=int(np.searchsorted(times, self._released, "left")),
            advice="read the whole file at once, or sort it by time first",
        )


def _by_time(table: Table) -> Table:
    times = table["time_ns"]
    if (times[1:] >= times[:-1]).all():
        return table
    return table.take(np.argsort(times, kind="stable"))
