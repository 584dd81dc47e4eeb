"""One packet and its answer, taken from a recording as an example."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from perfpath.lessons.answers import answers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfpath.lessons.material import Material
    from perfpath.lessons.packet import Packet, Sighting


@dataclass(frozen=True, slots=True)
class Exchange:
    """A packet and the one that answers it (None where nothing does).

    sightings: of both, in time order, each with its packet.
    """

    material: Material
    request: Packet
    reply: Packet | None
    sightings: tuple[tuple[Packet, Sighting], ...]

    @property
    def packets(self) -> tuple[Packet, ...]:
        """One or two."""
        return (self.request,) if self.reply is None else (self.request, self.reply)


def exchange_of(material: Material) -> Exchange:
    """The exchange with the longest way; the first of those."""
    packets = material.truth.packets
    pairs = answers(packets)
    replies = set(pairs.values())
    first = max(
        (packet for packet in packets if packet.number not in replies),
        key=lambda packet: (packet.number in pairs, len(packet.places), -packet.number),
    )
    reply = packets[pairs[first.number]] if first.number in pairs else None
    both = [(packet, sighting) for packet in (first, reply) if packet is not None for sighting in packet.sightings]
    return Exchange(material, first, reply, tuple(sorted(both, key=lambda item: item[1].row)))


def example(materials: Sequence[Material]) -> Exchange:
    """The recording that teaches most: with a reply, and many kinds of events; the first of those."""
    return max(map(exchange_of, materials), key=_value)


def _value(exchange: Exchange) -> tuple[bool, int]:
    kinds = {sighting.event for _, sighting in exchange.sightings}
    return exchange.reply is not None, len(kinds)
