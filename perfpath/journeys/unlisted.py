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
    for number in range(1, len(path)):
        before, now = domains[number - 1], domains[number]
        if not path[number - 1].tx or path[number].tx:
            continue
        if before is None or now is None:
            if path[number].firm and _any(topology, before, now):
                beyond, until = (min(beyond, number), until) if before is None else (beyond, max(until, number))
        else:
            lost = topology.lost if number in broken else topology.passing
            beyond = min(beyond, number) if lost & before else beyond
            until = max(until, number) if lost & now else until
    if beyond == len(path) and not until:
        return None
    return [
        domain | {topology.unlisted(step.dev).number}
        if domain is not None and step.dev is not None and not step.netns and (number >= beyond or number < until)
        else domain
        for number, (step, domain) in enumerate(zip(path, domains, strict=True))
    ]


def _any(topology: Topology, *domains: frozenset[int] | None) -> bool:
    """Whether one of these may be the end of a pair with the other end unlisted."""
    return any(domain and not topology.lost.isdisjoint(domain) for domain in domains)
