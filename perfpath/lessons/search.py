"""The smallest sets of events that show every place of every packet exactly once and in order.

This is an exact cover: each place is to be covered by exactly one sighting of the chosen events. Always branching on
the place that the fewest events can cover (Knuth's algorithm X) keeps the search small; order is checked at the end,
since it depends on the whole set.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from perfpath.lessons.coverage import Shape, Verdict, fired, judge

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Spot = tuple[int, int]
"""(number of the shape, number of the place)."""

NEAREST_SIZE = 5
"""Without an exact set, sets up to this size are tried for the fewest faults: 6,884 of 16 events."""


def exact_sets(shapes: list[Shape], cost: Mapping[str, int] | None = None) -> list[Verdict]:
    """All exact sets, the best first: fewest events, then least to record.

    cost: bytes that one hit of an event takes in a recording; unknown ones count nothing.
    None of them can do without any of its events, so that each is the smallest of its kind.
    """
    spots = {(number, place) for number, shape in enumerate(shapes) for place in range(len(shape.places))}
    if not spots:
        return []
    covers = _covers(shapes)
    found = (frozenset(chosen) for chosen in _search(spots, covers, ()))
    verdicts = [verdict for chosen in set(found) if (verdict := judge(chosen, shapes)).exact]
    return sorted(
        verdicts, key=lambda verdict: (len(verdict.events), weight(verdict, shapes, cost or {}), verdict.events)
    )


def weight(verdict: Verdict, shapes: list[Shape], cost: Mapping[str, int]) -> int:
    """Bytes that recording these shapes with a set takes."""
    chosen = set(verdict.events)
    return sum(shape.count * cost.get(event, 0) for shape in shapes for event, _ in shape.sequence if event in chosen)


def nearest(shapes: list[Shape]) -> Verdict | None:
    """The set with the fewest faults among the small ones, where no exact one exists; None without events."""
    events = fired(shapes)
    tried = (
        judge(chosen, shapes)
        for size in range(1, NEAREST_SIZE + 1)
        for chosen in combinations(events, min(size, len(events)))
    )
    return min(tried, key=lambda v: (sum(f.shape.count for f in v.faults), len(v.events), v.events), default=None)


def _covers(shapes: list[Shape]) -> dict[str, frozenset[Spot]]:
    """The spots each event shows; events that show one twice by themselves can't be in an exact set."""
    covers: dict[str, frozenset[Spot]] = {}
    for event in fired(shapes):
        seen = [
            (number, place) for number, shape in enumerate(shapes) for name, place in shape.sequence if name == event
        ]
        if len(seen) == len(set(seen)):
            covers[event] = frozenset(seen)
    return covers


def _search(left: set[Spot], covers: dict[str, frozenset[Spot]], chosen: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if not left:
        yield chosen
        return
    hardest = min(left, key=lambda spot: (sum(spot in cover for cover in covers.values()), spot))
    for event, cover in covers.items():
        if hardest in cover:
            rest = {name: other for name, other in covers.items() if not other & cover}
            yield from _search(left - cover, rest, (*chosen, event))
