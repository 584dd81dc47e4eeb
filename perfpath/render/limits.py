"""Showing only so many journeys, and saying so."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from perfpath.journeys.tracker import Result
from perfpath.render.quantities import count


@dataclass(slots=True)
class Limit:
    """Lets so many journeys through (None: all), and counts what it left out."""

    journeys: int | None = None
    packets_left: int = 0
    hops_left: int = 0

    def first(self, result: Result) -> Result:
        """The journeys that there still is room for, with their hops."""
        room = len(result.journeys) if self.journeys is None else min(self.journeys, len(result.journeys))
        if self.journeys is not None:
            self.journeys -= room
        if room == len(result.journeys):
            return result
        journeys = result.journeys.take(slice(0, room))
        end = int(np.searchsorted(result.hops["journey"], result.journeys["journey"][room]))
        self.packets_left += len(result.journeys) - room
        self.hops_left += len(result.hops) - end
        return Result(result.hops.take(slice(0, end)), journeys)

    @property
    def remark(self) -> str:
        """What to say of those left out; "" where there are none."""
        if not self.packets_left:
            return ""
        return (
            f"... and {count(self.packets_left, 'more packet')} ({count(self.hops_left, 'hop')}): --limit 0 shows all"
        )
