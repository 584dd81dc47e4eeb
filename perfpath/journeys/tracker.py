"""EVENTS -> HOPS -> JOURNEYS, all at once or batch by batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from perfpath.diagnostics import Diagnostics
    from perfpath.netns.inventory import Inventory
    from perfpath.tables import Table


@dataclass(frozen=True, slots=True)
class Options:
    """How chains are cut.

    gap_ns: two sightings of one skbaddr further apart than this are two packets.
    reply_ns: a reply begins at most this long after its request ended.
    """

    gap_ns: int = 1_000_000_000
    reply_ns: int = 10_000_000


@dataclass(frozen=True, slots=True)
class Result:
    """HOPS (sorted by journey, hop) and JOURNEYS (sorted by journey)."""

    hops: Table
    journeys: Table


@dataclass(frozen=True, slots=True)
class Update:
    """What a batch of events brought.

    closed: journeys that can't grow any more, each given once. open: all journeys that still may, as they are now.
    A journey keeps its number from one update to the next; its hops only grow (places may become known later).
    """

    closed: Result
    open: Result


class Tracker:
    """Follows packets through a stream of EVENTS.

    inventory: None where nobody knows the topology. The diagnostics also carry the losses that make journeys
    incomplete: they may grow between calls.
    """

    def __init__(self, inventory: Inventory | None, diagnostics: Diagnostics, options: Options | None = None) -> None:
        raise NotImplementedError

    def feed(self, events: Table) -> Update:
        """Take the next EVENTS in time order."""
        raise NotImplementedError

    def close(self) -> Result:
        """The end of the stream: all journeys that were still open."""
        raise NotImplementedError


def follow(
    events: Table, inventory: Inventory | None, diagnostics: Diagnostics, options: Options | None = None
) -> Result:
    """All journeys of a whole EVENTS table."""
    raise NotImplementedError
