"""One lesson: the recordings it is about, what the learner proposes, and others to compare with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from perfpath.lessons.search import exact_sets, weight

if TYPE_CHECKING:
    from perfpath.lessons.coverage import Shape, Verdict
    from perfpath.lessons.material import Material


@dataclass(frozen=True)
class Lesson:
    """What the steps are made from.

    proposed: events that the learner wants judged. references: recordings of other scenarios, which may tell why a set
    that is good enough here isn't everywhere.
    """

    materials: tuple[Material, ...]
    proposed: tuple[str, ...] = ()
    references: tuple[Material, ...] = ()

    @cached_property
    def shapes(self) -> list[Shape]:
        """Of all recordings."""
        return [shape for material in self.materials for shape in material.shapes]

    @cached_property
    def cost(self) -> dict[str, int]:
        """Bytes that one hit of an event takes; the most that a recording says."""
        found: dict[str, int] = {}
        for material in self.materials:
            for event, size in material.cost.items():
                found[event] = max(size, found.get(event, 0))
        return found

    @cached_property
    def winners(self) -> list[Verdict]:
        """All exact sets, the best first."""
        return exact_sets(self.shapes, self.cost)

    @cached_property
    def smallest(self) -> list[Verdict]:
        """The exact sets of the fewest events, the cheapest first."""
        return [verdict for verdict in self.winners if len(verdict.events) == len(self.winners[0].events)]

    @cached_property
    def best(self) -> list[Verdict]:
        """Those of the smallest that take the least to record: one, unless some are equally good."""
        weights = [weight(verdict, self.shapes, self.cost) for verdict in self.smallest]
        return [verdict for verdict, size in zip(self.smallest, weights, strict=True) if size == weights[0]]
