"""Where to cut a run of hops that no reading of the topology allows as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfpath.journeys.locate import Locator, Step

LONGEST = 48
TURN, NESTED, CROSSING = 1, 2, 4  # what it costs to cut: a packet mostly ends where it was received


def cuts(path: Sequence[Step], strong: Sequence[bool], locator: Locator) -> list[int]:
    """The numbers of the hops that begin another packet; empty where no cut makes the path possible.

    Of all ways to cut the path into possible pieces, the cheapest; strong steps are never cut.
    """
    if len(path) > LONGEST:
        return []
    best: list[tuple[int, list[int]] | None] = [(0, [])]
    for end in range(1, len(path) + 1):
        found: tuple[int, list[int]] | None = None
        for begin in range(end - 1, -1, -1):
            before = best[begin]
            if before is None or (begin and strong[begin]):
                continue
            cost = before[0] + (_cost(path, begin) if begin else 0)
            if (found is None or cost < found[0]) and locator.feasible(path[begin:end]):
                found = (cost, [*before[1], begin] if begin else [])
        best.append(found)
    last = best[-1]
    return [] if last is None else last[1]


def _cost(path: Sequence[Step], number: int) -> int:
    before, now = path[number - 1], path[number]
    if now.tx:
        return NESTED if before.tx else TURN
    return CROSSING
