"""The networks of the lesson: each built for one run, pinged through, and taken down again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from perfpath.errors import UsageError
from perfpath.lessons import networks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from perfpath.capture.lab import Lab
    from perfpath.lessons.networks import Run, Way


@dataclass(frozen=True, slots=True)
class Scenario:
    """A network and what it teaches. extra: tracepoints beside `net:*` that its lesson needs."""

    name: str
    title: str
    teaches: str
    build: Callable[[Lab], Run]
    extra: tuple[str, ...] = ()


DROPS = ("skb:kfree_skb",)

SCENARIOS = (
    Scenario(
        "loopback",
        "ping this host itself",
        "every event there is, for the shortest way there is",
        networks.loopback,
    ),
    Scenario(
        "container",
        "ping a namespace behind a bridge",
        "several devices: calls nest, and end in reverse order; a bridge passes the reply up",
        networks.container,
    ),
    Scenario(
        "external",
        "ping a phone behind a router, through a card with NAPI",
        "how a packet arrives at a real card: napi_gro_receive_entry, and no netif_rx",
        networks.external,
    ),
    Scenario(
        "router",
        "ping across a router, all in namespaces",
        "a name is not a device: both ends of each link are called the same",
        networks.router,
    ),
    Scenario(
        "vxlan",
        "ping through a VXLAN tunnel",
        "one packet on two devices at once, and longer on one of them",
        networks.vxlan,
    ),
    Scenario(
        "drop",
        "ping against a firewall rule",
        "where a way ends, and which event says why",
        networks.drop,
        DROPS,
    ),
    Scenario(
        "queue",
        "ping into a queue that loses packets",
        "handed to a queue is not yet sent",
        networks.queue,
        DROPS,
    ),
    Scenario(
        "bulk",
        "send a file over TCP to a card with GRO",
        "packets merge: what is delivered is not what arrived",
        networks.bulk,
    ),
)
"""In the order of the lesson."""


def scenario(name: str) -> Scenario:
    """By name; raises UsageError with the names there are."""
    for known in SCENARIOS:
        if known.name == name:
            return known
    raise UsageError(f"no such scenario: {name!r}; there are {', '.join(names(SCENARIOS))}")


def names(scenarios: Iterable[Scenario]) -> list[str]:
    """What they are called."""
    return [known.name for known in scenarios]


def matches(expected: Sequence[Way], found: Iterable[Way]) -> bool:
    """Whether a recording has every way that the network was built for."""
    return set(expected) <= set(found)
