"""Which packet answers which, by place and time."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from perfpath.lessons.packet import Place

if TYPE_CHECKING:
    from perfpath.lessons.packet import Packet

REPLY_NS = 50_000_000
"""A reply begins at most so long after its request began."""


def answers(packets: tuple[Packet, ...]) -> dict[int, int]:
    """Reply by request, by number: it starts where the request ended, the other way, and soon after."""
    starting: dict[Place, list[Packet]] = {}
    for packet in packets:
        if packet.places:
            starting.setdefault(packet.places[0], []).append(packet)
    found: dict[int, int] = {}
    taken: set[int] = set()
    for request in packets:
        if request.number in taken or not request.places or request.places[-1].direction != "rx":
            continue
        candidates = starting.get(Place(request.places[-1].dev, "tx"), [])
        at = bisect_right(candidates, request.number, key=lambda packet: packet.number)
        while at < len(candidates) and candidates[at].number in taken:
            at += 1
        if at < len(candidates) and candidates[at].first_ns - request.first_ns <= REPLY_NS:
            found[request.number] = candidates[at].number
            taken.add(candidates[at].number)
    return found
