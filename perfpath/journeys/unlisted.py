"""Paths that leave the inventory: over a pair whose other end it lacks, into a namespace that nobody listed.

What is sent by one end of a pair never arrives at that same end. Where no listed interface can be the other end, an
unlisted one is; it may be called anything, and so may what the packet passes beyond it. An end that came and went
before anybody saw where it led may have led there even where a listed one fits, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from perfpath.journeys.locate import Step
    from perfpath.journeys.topology import Topology

Domains = list[frozenset[int] | None]


def widened(path: Sequence[Step], domains: Domains, topology: Topology, broken: Collection[int] = ()) -> Domains | None:
    """The candidates with the unlisted interfaces that a path can have come from or gone to; None where it needs none.

    domains: the listed candidates of each hop, None where the name isn't listed; broken: the numbers of the hops that
    no listed interface leads to. What is known beforehand (`Step.netns`) stays.
    """
    if topology.hides:
        return None  # it is among the candidates of every hop
    beyond, until = len(path), 0  # hops from the one on, and before the other, may be unlisted
    if any(domain is None for domain in domains):
        beyond = 0
    for number in range(1, len(path)):
        for rule in (_over_pairs, _over_shared):
            comes, goes = rule(path, domains, topology, number, number in broken)
            beyond = min(beyond, number) if goes else beyond
            until = max(until, number) if comes else until
    if beyond == len(path) and not until:
        return None
    return [
        domain | {topology.unlisted(step.dev, step.era).number}
        if domain is not None and step.dev is not None and not step.netns and (number >= beyond or number < until)
        else domain
        for number, (step, domain) in enumerate(zip(path, domains, strict=True))
    ]


def _over_pairs(
    path: Sequence[Step], domains: Domains, topology: Topology, number: int, broken: bool
) -> tuple[bool, bool]:
    """Whether a step may come from an unlisted end of a pair, and whether what follows may be unlisted."""
    before, now = domains[number - 1], domains[number]
    if not path[number - 1].tx or path[number].tx:
        return False, False
    if before is None or now is None:
        lost = path[number].firm and not topology.lost.isdisjoint(before or now or ())
        return lost and before is not None, lost and before is None
    ends = topology.lost if broken else topology.passing
    return not ends.isdisjoint(now), not ends.isdisjoint(before)


def _over_shared(
    path: Sequence[Step], domains: Domains, topology: Topology, number: int, _broken: bool
) -> tuple[bool, bool]:
    """The same of devices that sit on a listed one beside others, such as macvlans of another container."""
    before, now = domains[number - 1], domains[number]
    if not path[number].firm:
        return False, False
    if not path[number - 1].tx:
        return False, _shared(topology, before)
    sent = _shared(topology, now)
    return sent, sent and before is None


def _shared(topology: Topology, domain: frozenset[int] | None) -> bool:
    return any(topology.shared(topology.places[each]) for each in domain or ())
