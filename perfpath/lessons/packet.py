"""A packet of a recording: where it was, and which events tell of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections import Counter


@dataclass(frozen=True, slots=True)
class Place:
    """A device in one direction."""

    dev: str
    direction: str


@dataclass(frozen=True, slots=True)
class Sighting:
    """One event of a packet.

    row: in EVENTS. place: number among the packet's places, -1 for an event that belongs to none.
    blind: it names neither device nor address, so that by itself it shows no place.
    late: the packet had moved on when it fired. depth: how many calls it lies inside of.
    """

    row: int
    event: str
    place: int
    blind: bool
    late: bool
    depth: int


@dataclass(slots=True)
class Packet:
    """One packet: its places in order, and every event that tells of it, in time order.

    end: "" or how it is known to have ended: "freed", "merged".
    """

    number: int
    skbaddr: int
    places: list[Place] = field(default_factory=list)
    sightings: list[Sighting] = field(default_factory=list)
    end: str = ""
    first_ns: int = 0
    last_ns: int = 0


@dataclass(frozen=True, slots=True)
class Truth:
    """All packets of a recording, in the order of their first events.

    unplaced: events that name a packet and say nothing of a direction, by name: they can't be judged.
    unmatched: ends of calls whose beginning the recording doesn't have. cuts: why a chain of one address was cut.
    """

    packets: tuple[Packet, ...]
    unplaced: Counter[str]
    unmatched: Counter[str]
    cuts: Counter[str]
