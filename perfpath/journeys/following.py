"""The traced command's journeys, picked out of all as they come.

What is not known to be the command's is held for a while: an ARP request may come before the packet that it is for, a
server's flow is known when it sends something. What was held too long, or would be too much, is let go of and counted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from perfpath.journeys.flows import Facts, Known, claimed, facts_of, taken, together
from perfpath.journeys.tracker import Result, Update
from perfpath.packets.mixing import NONE
from perfpath.packets.traits import ANSWER, ASK, ERROR
from perfpath.tables import Table, concatenated

if TYPE_CHECKING:
    from perfpath.journeys.flows import Kin
    from perfpath.packets.memo import Memo
    from perfpath.tables import Array

HOLD_NS = 5_000_000_000
"""So long after its last hop a journey may still turn out to be the command's."""
HELD_HOPS = 200_000
"""And so many hops are held at most."""
FLOWS_COUNTED = 100_000
_LATEST = np.iinfo(np.int64).max


class _Held:
    """Journeys, and what matters of them.

    asks: there are questions, answers or errors among them. oldest: the lowest number of a packet. since: the time of
    the first hop.
    """

    __slots__ = ("asks", "facts", "oldest", "result", "since")

    def __init__(self, result: Result, facts: Facts) -> None:
        self.result = result
        self.facts = facts
        self.asks = bool(np.isin(facts.hops["kind"], (ASK, ANSWER, ERROR)).any())
        numbers = result.hops["packet"] if "packet" in result.hops else np.zeros(0, np.int64)
        self.oldest = int(numbers[numbers >= 0].min(initial=_LATEST))
        self.since = int(result.hops["time_ns"].min(initial=_LATEST))

    def take(self, mask: Array) -> _Held:
        """Some of the journeys."""
        if mask.all():
            return self
        hops = self.result.hops.take(np.flatnonzero(mask[self.facts.hops["of"]]))
        rows = np.flatnonzero(mask)
        return _Held(Result(hops, self.result.journeys.take(rows)), taken(self.facts, rows))


@dataclass(slots=True)
class Following:
    """Picks out the journeys of a command's flows.

    kin: which threads were of the command when. traits: TRAITS by packet, None where there are no bytes (then only
    what processes of the command sent, and the answers that were paired with it, are picked).
    late: how many journeys turned out to be the command's when they had been let go of.
    """

    kin: Kin
    traits: Memo | None
    late: int = 0
    _known: Known = field(default_factory=Known)
    _held: list[_Held] = field(default_factory=list)
    _gone: dict[int, int] = field(default_factory=dict)  # how many were let go of, by their flow
    _lost: int = 0

    @property
    def others(self) -> int:
        """How many journeys were not the command's, as far as is known now."""
        return self._lost - self.late + sum(len(held.result.journeys) for held in self._held)

    @property
    def oldest(self) -> int | None:
        """The lowest number of a packet that is held, None where there is none."""
        return min((held.oldest for held in self._held), default=None)

    def update(self, update: Update) -> Update:
        """The command's journeys among new ones; closed ones that were held come when they are known."""
        ended = _Held(update.closed, facts_of(update.closed, self.traits, self.kin))
        growing = _Held(update.open, facts_of(update.open, self.traits, self.kin))
        held = [*self._held, ended]
        mine = self._pick(held, growing)
        still = growing.take(mine.pop()).result
        found = [each.take(ours) for each, ours in zip(held, mine, strict=True) if ours.any()]
        rest = [each.take(~ours) for each, ours in zip(held, mine, strict=True) if not ours.all()]
        self._let_go(rest, update)
        settled = min((held.since for held in self._held), default=_LATEST)
        return Update(_one(found or [ended.take(mine[-1])]), still, min(update.settled_ns, settled))

    def result(self, result: Result) -> Result:
        """The same for the last journeys; nothing is open any more."""
        return self.update(Update(result, result.nothing())).closed

    def _pick(self, held: list[_Held], growing: _Held) -> list[Array]:
        """For each of those held, and for the growing ones, which journeys are the command's.

        While no flow is new, what was held long ago can only be a question that was waited for, or its answer.
        """
        parts = [*held, growing]
        near = [part for number, part in enumerate(parts) if part.asks or number >= len(held) - 1]
        size = self._known.size
        masks = self._claimed(near)
        if self._known.size > size:
            self._recount()
            if len(near) < len(parts):
                return self._claimed(parts)
        if len(near) == len(parts):
            return masks
        found = iter(masks)
        return [next(found) if part in near else np.zeros(len(part.result.journeys), bool) for part in parts]

    def _claimed(self, parts: list[_Held]) -> list[Array]:
        mine = claimed(together([part.facts for part in parts]), self._known)
        return np.split(mine, np.cumsum([len(part.result.journeys) for part in parts])[:-1])

    def _let_go(self, rest: list[_Held], update: Update) -> None:
        """Hold no more than may be held, the latest."""
        now = max(int(table.journeys["end_ns"].max(initial=0)) for table in (update.closed, update.open))
        self._held, hops = [], 0
        for each in reversed(rest):
            hops += len(each.result.hops)
            if int(each.result.journeys["end_ns"].max()) >= now - HOLD_NS and hops <= HELD_HOPS:
                self._held.insert(0, each)
            else:
                self._count(each.facts)

    def _count(self, facts: Facts) -> None:
        """Remember how many journeys of which flow are let go of."""
        self._lost += len(facts.journeys)
        hops = facts.hops
        flow = np.zeros(len(facts.journeys), np.uint64)
        rows = np.flatnonzero(hops["flow"] != NONE)[::-1]
        flow[hops["of"][rows]] = hops["flow"][rows]
        for each, count in zip(*(part.tolist() for part in np.unique(flow, return_counts=True)), strict=True):
            if each and (each in self._gone or len(self._gone) < FLOWS_COUNTED):
                self._gone[each] = self._gone.get(each, 0) + count

    def _recount(self) -> None:
        """Of those let go of, which are the command's after all."""
        if self._gone:
            ours = [flow for flow in self._known.flows.tolist() if flow in self._gone]
            self.late += sum(self._gone.pop(flow) for flow in ours)


def _one(held: list[_Held]) -> Result:
    """Several results as one, in the order of their journeys."""
    if len(held) == 1:
        return held[0].result
    hops, journeys = (_joined([getattr(each.result, name) for each in held]) for name in ("hops", "journeys"))
    return Result(hops.take(np.lexsort((hops["hop"], hops["journey"]))), journeys.take(np.argsort(journeys["journey"])))


def _joined(tables: list[Table]) -> Table:
    """Tables that share their names as far as they have them."""
    names = {name: each for table in tables for name, each in table.names.items()}
    return Table(concatenated(tables).columns, names)
