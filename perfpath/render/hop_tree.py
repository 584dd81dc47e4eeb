"""Paths as a tree of hops that counts: how many packets came to each hop, how many died after it, how long each took.

Its size is bounded, whatever comes: numbers instead of packets, and at most MOST_HOPS hops.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from perfpath.render.drops import harmless_rows
from perfpath.render.groups import bounds
from perfpath.render.paths import steps_of
from perfpath.tables import distinct

if TYPE_CHECKING:
    from collections.abc import Iterator

    from perfpath.journeys.tracker import Result
    from perfpath.render.paths import Step
    from perfpath.tables import Array

MOST_HOPS = 2000
LATEST = 24  # times kept of each hop, for its sparkline


@dataclass(slots=True)
class Node:
    """A hop of all packets that came the same way: times are ns since the hop before, of `timed` packets.

    lost: packets that were dropped after it. whole: of them, those that no loss overlapped.
    """

    step: Step | None = None
    packets: int = 0
    lost: int = 0
    whole: int = 0
    timed: int = 0
    total: int = 0
    squares: float = 0.0
    best: int = 0
    worst: int = 0
    latest: deque[int] = field(default_factory=lambda: deque(maxlen=LATEST))
    after: dict[Step, Node] = field(default_factory=dict)

    @property
    def mean(self) -> float:
        """The average time."""
        return self.total / self.timed if self.timed else 0.0

    @property
    def deviation(self) -> float:
        """The standard deviation of the times."""
        return math.sqrt(self.squares / self.timed) if self.timed else 0.0

    def add(self, times: Array) -> None:
        """Count packets that came here, and how long each took."""
        self.packets += len(times)
        number, mean = len(times), float(times.mean())
        shift = mean - self.mean
        self.squares += float(np.square(times - mean).sum()) + shift * shift * self.timed * number / (
            self.timed + number
        )  # Chan's way of adding variances
        low, high = int(times.min()), int(times.max())
        self.best = min(self.best, low) if self.timed else low
        self.worst = max(self.worst, high)
        self.timed += number
        self.total += int(times.sum())
        self.latest.extend(times[-LATEST:].tolist())


class HopTree:
    """All hops. unseen: packets dropped before any hop; left_out: packets of ways there was no room for.

    harmless: packets dropped as they are on healthy hosts too, which aren't counted as lost. incomplete: packets that
    passed while events were lost.
    """

    def __init__(self) -> None:
        self.root = Node()
        self.unseen = 0
        self.harmless = 0
        self.left_out = 0
        self.incomplete = 0
        self._hops = 0

    def add(self, result: Result) -> None:
        """Count the journeys of a result, each once."""
        journeys, edges = result.journeys, bounds(result.hops, result.journeys)
        seen, harmless = journeys["hops"] > 0, harmless_rows(result)
        self.harmless += int(np.count_nonzero(harmless))
        self.unseen += int(np.count_nonzero(~seen & ~harmless))
        dropped = journeys["outcome"] == journeys.names["outcome"].find("dropped")
        dropped &= (journeys["outcome"] >= 0) & ~harmless
        self.incomplete += int(np.count_nonzero(seen & ~journeys["complete"]))
        rows = np.flatnonzero(seen)
        for path in distinct(journeys["path"][rows]).tolist():
            mine = rows[journeys["path"][rows] == path]
            hops = int(journeys["hops"][mine[0]])
            at = edges[mine][:, None] + np.arange(hops)
            steps = steps_of(result.hops.take(at[0]))
            whole = int(np.count_nonzero(journeys["complete"][mine]))
            self._add(steps, result.hops["delta_ns"][at], int(np.count_nonzero(dropped[mine])), whole)

    @property
    def midway(self) -> int:
        """Packets that were first seen where no packet begins whose events are all there: events were lost."""
        return sum(way.packets for way in self.root.after.values() if not way.whole)

    def _add(self, steps: tuple[Step, ...], times: Array, lost: int, whole: int) -> None:
        node = self.root
        for number, step in enumerate(steps):
            child = node.after.get(step)
            if child is None:
                if self._hops >= MOST_HOPS:
                    self.left_out += len(times)
                    return
                child = node.after[step] = Node(step)
                self._hops += 1
            child.add(times[:, number])
            child.whole += whole
            node = child
        node.lost += lost

    def lines(self, *, by_loss: bool = False) -> Iterator[tuple[int, Node]]:
        """(depth, hop) of all hops, most travelled ways first, or those that lose most; none of those midway."""
        yield from _under(self.root, 0, by_loss=by_loss)


def _under(node: Node, depth: int, *, by_loss: bool) -> Iterator[tuple[int, Node]]:
    ways = sorted(node.after.values(), key=lambda each: (-_lost(each) if by_loss else 0, -each.packets))
    for way in ways:
        if not depth and not way.whole:
            continue
        yield depth, way
        yield from _under(way, depth + 1, by_loss=by_loss)


def _lost(node: Node) -> int:
    return node.lost + sum(map(_lost, node.after.values()))
