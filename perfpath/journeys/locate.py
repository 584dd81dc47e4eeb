"""In which namespace each hop of a path was, with the evidence for it. Wrong is worse than unknown.

The candidates of each hop are the interfaces of its name. Steps that the topology does not allow take candidates
away, forwards and backwards along the path; since a path is a line, what then remains at a hop is exactly what some
consistent reading of the whole path has there. A hop is placed where all that remains is in one namespace.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from perfpath.journeys.topology import SHARED, TUNNELS, Seen, routing
from perfpath.journeys.unlisted import widened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfpath.journeys.topology import Place, Topology
    from perfpath.journeys.unlisted import Domains

KERNEL, SOCKET, CONTEXT, UNIQUE, LINK, INFERRED = "kernel", "socket", "context", "unique-name", "link", "inferred"


@dataclass(frozen=True, slots=True)
class Step:
    """One hop of a distinct path.

    netns: the namespace that is known beforehand, 0 for none; by: the evidence for it.
    firm: that it is one packet's with the hop before is certain enough to tell where it is.
    asks: it may be a question for a neighbour, which the namespace below asks where that routes what was sent.
    """

    dev: str | None
    tx: bool
    era: int = 0
    netns: int = 0
    by: str = ""
    firm: bool = True
    asks: bool = False


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a hop is. netns: 0 unknown; places: numbers of the interfaces that remain; candidates: their namespaces."""

    netns: int = 0
    name: str | None = None
    evidence: str = ""
    candidates: tuple[int, ...] = ()
    places: frozenset[int] = frozenset()


@dataclass(slots=True)
class Located:
    """A path's solution. contradicted: the inventory does not allow it as it was seen."""

    spots: list[Spot]
    contradicted: bool = False


@dataclass(slots=True)
class Locator:
    """Solves paths, each once."""

    topology: Topology | None
    _steps_known: bool = True
    _solved: dict[tuple[Step, ...], Located] = field(default_factory=dict)
    _below: dict[tuple[int, bool], frozenset[int]] = field(default_factory=dict)

    def know_steps(self, known: bool) -> None:
        """Whether all hops are recorded: where some kinds are missing, steps between the others say nothing."""
        if known != self._steps_known:
            self._steps_known = known
            self._solved.clear()

    def know_senders(self, inums: Sequence[int]) -> None:
        """The namespaces in which processes sent what was recorded."""
        if self.topology is not None and self.topology.know_senders(inums):
            self._solved.clear()

    @property
    def steps(self) -> Topology | None:
        """The topology, where it may say which steps are possible."""
        return self.topology if self._steps_known else None

    def solve(self, path: tuple[Step, ...]) -> Located:
        """Where the hops of a path are."""
        if path not in self._solved:
            self._solved[path] = self._solve(path)
        return self._solved[path]

    def _solve(self, path: tuple[Step, ...]) -> Located:
        if self.topology is None:
            return Located([Spot(step.netns, None, step.by) if step.netns else Spot() for step in path])
        domains, broken = self._read(path)
        if broken:
            outside, free = self._outside(path, broken), self._freed(path)
            if outside is not None:
                domains, broken = _united(outside, free), set()
            elif free is not None:
                # of a sender that isn't listed nobody knows what its own device was linked to
                listed = self._lists(path[0].netns, path[0].era)
                path = (replace(path[0], netns=0, by=""), *path[1:])
                domains, broken = (free, set()) if listed else (domains, broken)
        solved = enumerate(zip(path, domains, strict=True))
        spots = [self._spot(step, domain, broken, number) for number, (step, domain) in solved]
        return Located(spots, not self.feasible(path))

    def feasible(self, path: Sequence[Step]) -> bool:
        """Whether the topology allows a path at all."""
        if self.topology is None:
            return True
        _, broken = self._read(path, likely=True)
        return not broken or self._outside(path, broken, likely=True) is not None

    def _read(self, path: Sequence[Step], *, likely: bool = False) -> tuple[Domains, set[int]]:
        """What remains at each hop, and the steps that nothing listed can make.

        likely: what isn't certain to be one packet's is taken for it, and what nothing is known of but that it may be
        for nothing: that tells whether it is one packet, not where.
        """
        domains = self._domains(path, likely=likely)
        if self.steps is not None:
            domains = widened(path, domains, self.steps) or domains
        return domains, self._narrow(path, domains, likely=likely)

    def _outside(self, path: Sequence[Step], broken: set[int], *, likely: bool = False) -> Domains | None:
        """What remains at each hop where the path leaves what is listed; None where that doesn't explain it."""
        domains = None
        if self.steps is not None:
            domains = widened(path, self._domains(path, likely=likely), self.steps, broken)
        return None if domains is None or self._narrow(path, domains, likely=likely) else domains

    def _freed(self, path: Sequence[Step]) -> Domains | None:
        """The same where the sender's socket is of another namespace than the sender."""
        if path[0].by != CONTEXT:
            return None
        domains, broken = self._read((replace(path[0], netns=0, by=""), *path[1:]))
        return None if broken else domains

    def _domains(self, path: Sequence[Step], *, likely: bool) -> Domains:
        """The candidates of each hop; None where anything may be, known or not."""
        domains: Domains = []
        for step in path:
            found = []
            if self.topology and step.dev is not None:
                found = self.topology.candidates(step.dev, step.era, wide=not likely)
            if step.netns:
                fitting = [place for place in found if self._fits(place, step)]
                found = fitting or (self._elsewhere(step, found, likely=likely) if step.by == CONTEXT else [])
            domains.append(frozenset(place.number for place in found) or None)
        return domains

    def _elsewhere(self, step: Step, found: list[Place], *, likely: bool) -> list[Place]:
        """Where a process sent by a device that its namespace lacks.

        Its socket was of another namespace, or the inventory is of another time: then it may have been anywhere.
        """
        if not found or self.topology is None or not self._lists(step.netns, step.era):
            return []
        return found if likely else [*found, self.topology.unlisted(step.dev or "", step.era)]

    def _fits(self, place: Place, step: Step) -> bool:
        return place.netns == step.netns or (step.by == CONTEXT and place.number in self._nested(step.netns, step.asks))

    def _lists(self, netns: int, era: int) -> bool:
        """Whether the inventory has interfaces that a namespace had in an era."""
        return self.topology is not None and self.topology.lists(netns, era)

    def _nested(self, netns: int, asks: bool) -> frozenset[int]:
        """Interfaces of other namespaces that a process of a namespace sends through in its own context.

        Of a packet that a macvlan or tunnel device had to segment, only the pieces further down are seen.
        """
        if (netns, asks) not in self._below:
            self._below[netns, asks] = frozenset(self._below_of(netns, asks))
        return self._below[netns, asks]

    def _below_of(self, netns: int, asks: bool) -> set[int]:
        assert self.topology is not None  # noqa: S101 - for the type checker: only asked about candidates
        everywhere = self.topology.places
        waiting = [place for place in everywhere if place.netns == netns]
        found = {place.number for place in waiting}
        while waiting:
            place = waiting.pop()
            other = asks and routing(place)
            if place.kind in SHARED and not other:  # these hand on the very packet they were given
                continue
            reach = self.topology.onward(place, tx=True, to_tx=True)
            if reach.anywhere and (other or place.kind in TUNNELS - {"wireguard"}):  # that one sends in a kernel thread
                return {each.number for each in everywhere if each.netns != netns}
            if not reach.anywhere and not reach.nowhere:
                reached = [each for each in everywhere if each.number in reach.places or each.netns in reach.netns]
                new = [each for each in reached if each.number not in found]
                found |= {place.number for place in new}
                waiting += new
        return {number for number in found if everywhere[number].netns != netns}

    def _narrow(self, path: Sequence[Step], domains: Domains, *, likely: bool) -> set[int]:
        """Take away candidates that no step reaches. Returns the steps (number of the later hop) nothing can make.

        likely: also by steps that are not certain to be one packet's.
        """
        broken: set[int] = set()
        if self.topology is None or not self._steps_known:
            return broken
        for number in range(1, len(path)):
            before, now = domains[number - 1], domains[number]
            if before is not None and now is not None and (path[number].firm or likely):
                steps = self._steps(path[number - 1], path[number], before, now, likely=likely)
                reached = frozenset().union(*(steps[each] for each in before)) & now
                if reached:
                    domains[number] = reached
                else:
                    broken.add(number)
            elif not likely and path[number].firm and (before is None) != (now is None):
                self._beside_unknown(path, domains, number, broken)
        for number in range(len(path) - 1, 0, -1):
            before, now = domains[number - 1], domains[number]
            if before is not None and now is not None and number not in broken and (path[number].firm or likely):
                steps = self._steps(path[number - 1], path[number], before, now, likely=likely)
                domains[number - 1] = frozenset(each for each in before if steps[each] & now)
        return broken

    def _beside_unknown(self, path: Sequence[Step], domains: Domains, number: int, broken: set[int]) -> None:
        """A step between a known name and one the inventory lacks: some candidates lead only to what it has."""
        assert self.topology is not None  # noqa: S101 - for the type checker
        known = number - 1 if domains[number] is None else number
        step, places = path[known], self.topology.places
        if known < number:
            ways = {each: self.topology.onward(places[each], step.tx, path[number].tx) for each in domains[known] or ()}
        else:
            ways = {
                each: self.topology.origin(places[each], step.tx, path[known - 1].tx) for each in domains[known] or ()
            }
        left = frozenset(each for each, way in ways.items() if way.anywhere or way.netns or way.unlisted)
        if left:
            domains[known] = left
        else:
            broken.add(number)

    def _steps(
        self, step: Step, to: Step, before: frozenset[int], now: frozenset[int], *, likely: bool
    ) -> dict[int, frozenset[int]]:
        assert self.topology is not None and step.dev is not None and to.dev is not None  # noqa: S101, PT018
        topology, places = self.topology, self.topology.places
        seen, next_seen = Seen(step.dev, step.tx, step.era), Seen(to.dev, to.tx, to.era)
        steps = topology.steps(seen, next_seen, wide=not likely)
        added = [each for each in now if not places[each].netns]
        ahead = {place.number for place in topology.candidates(to.dev, to.era, wide=not likely)} if added else set()
        if before <= steps.keys() and all(each in ahead for each in added):
            return steps
        return {
            each: frozenset(to_ for to_ in now if topology.possible(places[each], step.tx, places[to_], to.tx))
            for each in before
        }

    def _spot(self, step: Step, domain: frozenset[int] | None, broken: set[int], number: int = -1) -> Spot:
        if self.topology is None or domain is None:
            return self._unlisted(step)
        places = [self.topology.places[each] for each in domain]
        inums = sorted({place.netns for place in places})
        if not inums[0]:  # it may be in a namespace that isn't listed
            return Spot(candidates=tuple(inums[1:]), places=domain)
        pinned = bool(step.netns) and inums == [step.netns]
        all_inums = {place.netns for place in self.topology.candidates(step.dev or "", step.era, wide=True)}
        doubted = broken and (number in broken or number + 1 in broken or len(all_inums) > 1)
        if len(inums) > 1 or (doubted and not (pinned and step.by in (KERNEL, SOCKET))):
            listed = sorted(all_inums - {0}) if doubted else inums
            return Spot(candidates=tuple(listed), places=domain)
        evidence = step.by if pinned else UNIQUE if len(all_inums) == 1 else LINK
        names = {place.namespace.name for place in places}
        return Spot(inums[0], names.pop() if len(names) == 1 else None, evidence, places=domain)

    def _unlisted(self, step: Step) -> Spot:
        """A hop at an interface the inventory doesn't have."""
        if not step.netns or self.topology is None:
            return Spot()
        if step.by == CONTEXT and (step.asks or self._lists(step.netns, step.era)):
            return Spot()  # it has no such interface: the socket was of another namespace, or the inventory is old
        return Spot(step.netns, self.topology.called(step.netns, step.era), step.by)


def _united(domains: Domains, others: Domains | None) -> Domains:
    """What remains in either of two readings of a path."""
    if others is None:
        return domains
    return [None if one is None or other is None else one | other for one, other in zip(domains, others, strict=True)]
