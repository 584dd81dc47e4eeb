"""What of each journey has been shown already, where journeys grow from one update to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perfpath.journeys.tracker import Result, Update
from perfpath.tables import Table, concatenated

if TYPE_CHECKING:
    from perfpath.tables import Array


class Progress:
    """Gives each hop once: in the first update that has it."""

    def __init__(self) -> None:
        self._journeys: Array = np.empty(0, dtype=np.int64)
        self._hops: Array = np.empty(0, dtype=np.int32)

    def fresh(self, update: Update) -> Result:
        """Hops not given before, sorted by journey and hop, and the journeys they belong to.

        These journeys' rows are whole: their count of hops is more than the hops given here where some came before.
        Packets that no device saw have none.
        """
        hops = concatenated([self._news(result.hops) for result in (update.closed, update.open)])
        if len(update.closed.hops) and len(update.open.hops):
            hops = hops.take(np.lexsort((hops["hop"], hops["journey"])))
        journeys = concatenated([update.closed.journeys, update.open.journeys])
        journeys = journeys.take(np.argsort(journeys["journey"], kind="stable"))
        journeys = journeys.take(np.isin(journeys["journey"], hops["journey"]) | (journeys["hops"] == 0))
        self._journeys = update.open.journeys["journey"].copy()
        self._hops = update.open.journeys["hops"].copy()
        return Result(hops, journeys)

    def _news(self, hops: Table) -> Table:
        if not len(self._journeys) or not len(hops):
            return hops
        rows = np.searchsorted(self._journeys, hops["journey"]).clip(max=len(self._journeys) - 1)
        known = self._journeys[rows] == hops["journey"]
        return hops.take(~known | (hops["hop"] >= self._hops[rows]))


def whole(result: Result) -> Update:
    """A result of which nothing is open any more, as an update."""
    nothing = slice(0, 0)
    return Update(closed=result, open=Result(result.hops.take(nothing), result.journeys.take(nothing)))
