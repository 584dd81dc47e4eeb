"""Only the slowest packets, shown by another format when all have been seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perfpath.journeys.tracker import Result
from perfpath.render.progress import whole
from perfpath.tables import concatenated

if TYPE_CHECKING:
    from perfpath.diagnostics import Diagnostics
    from perfpath.journeys.tracker import Update
    from perfpath.render.output import Writer
    from perfpath.render.summary import Tally


class Slowest:
    """Keeps the journeys that took longest from first to last hop, and gives them to a writer at the end."""

    def __init__(self, writer: Writer, number: int) -> None:
        self._writer = writer
        self._number = number
        self._kept: Result | None = None

    def show(self, update: Update) -> None:
        """Keep those of the closed journeys that are slower than what is kept already."""
        slow = slowest(update.closed, self._number)
        if self._kept is not None:
            hops = concatenated([self._kept.hops, slow.hops])
            journeys = concatenated([self._kept.journeys, slow.journeys])
            order = np.argsort(hops["journey"], kind="stable")
            slow = slowest(Result(hops.take(order), journeys.take(np.argsort(journeys["journey"]))), self._number)
        self._kept = slow

    def end(self, tally: Tally, diagnostics: Diagnostics) -> None:
        """Show what was kept."""
        if self._kept is not None:
            self._writer.show(whole(self._kept))
        self._writer.end(tally, diagnostics)


def slowest(result: Result, number: int) -> Result:
    """The journeys of a result that took longest, with their hops, in their order; of equals the first."""
    journeys = result.journeys
    order = np.argsort(journeys["start_ns"] - journeys["end_ns"], kind="stable")[:number]
    rows = np.sort(order)
    keep = np.isin(result.hops["journey"], journeys["journey"][rows])
    return Result(result.hops.take(np.flatnonzero(keep)).made(), journeys.take(rows))
