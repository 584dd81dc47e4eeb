"""Where each packet was, by all that a recording says: the yardstick by which single events are judged.

No event is believed more than another. A packet was at a place (a device, in one direction) if *any* event shows it
there; the places stand in the order in which the packet came to them. Two rules make visits of the sightings:

- An event that ends a call (net_dev_xmit, *_exit) fires when a function returns, wherever the packet is by then. It
  belongs to the place where the call began: calls on one CPU nest, so the brackets are matched like parentheses.
- Any other event fires where the packet is. If that isn't where it was last, it has moved on: a new visit.

What no event shows can't be known: a VLAN device on the way up, for one, has no event of its own.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perfpath import schema
from perfpath.lessons.cuts import Step, cut
from perfpath.lessons.knowledge import Tracepoint, explain, openers
from perfpath.lessons.packet import Packet, Place, Sighting, Truth

if TYPE_CHECKING:
    from perfpath.tables import Table

GRO_MERGED = frozenset({0, 1})
"""GRO_MERGED and GRO_MERGED_FREE (include/linux/netdevice.h): the skb is part of another from now on."""


@dataclass(slots=True)
class _Call:
    """An open bracket."""

    event: str
    skbaddr: int
    packet: Packet
    place: int


def truth_of(events: Table) -> Truth:
    """The packets in a recording of `net:*` events. Events of other systems only end packets (frees)."""
    return _Witnesses(events).hear()


class _Witnesses:
    def __init__(self, events: Table) -> None:
        self._names = events.texts("event")
        self._devs = events.texts("dev")
        self._columns = {name: events[name].tolist() for name in ("time_ns", "cpu", "tid", "skbaddr", "len")}
        count = len(self._names)
        self._rc = events["rc"].tolist() if "rc" in events else [schema.UNKNOWN_RC] * count
        self._packets: list[Packet] = []
        self._current: dict[int, tuple[Packet, Step]] = {}
        self._calls: dict[tuple[str, int], list[_Call]] = {}
        self._openers = openers()
        self._unplaced: Counter[str] = Counter()
        self._unmatched: Counter[str] = Counter()
        self._cuts: Counter[str] = Counter()

    def hear(self) -> Truth:
        for row, name in enumerate(self._names):
            if name is None:
                continue
            point = explain(name)
            if point.frees:
                self._freed(row, name)
            elif ":" in name:
                continue
            elif point.closes:
                self._returned(row, point)
            elif self._columns["skbaddr"][row]:
                self._came(row, point)
        return Truth(tuple(self._packets), self._unplaced, self._unmatched, self._cuts)

    def _came(self, row: int, point: Tracepoint) -> None:
        dev, address = self._devs[row], self._columns["skbaddr"][row]
        if not point.direction or dev is None:
            self._unplaced[point.name] += 1
            return
        place = Place(dev, point.direction)
        packet = self._packet(row, address, place)
        if not packet.places or packet.places[-1] != place:
            packet.places.append(place)
        number = len(packet.places) - 1
        stack = self._stack(row)
        self._add(packet, row, Sighting(row, point.name, number, blind=False, late=False, depth=len(stack)))
        if point.name in self._openers:
            stack.append(_Call(point.name, address, packet, number))

    def _packet(self, row: int, address: int, place: Place) -> Packet:
        """The packet that an event tells of: the one at this address, or a new one."""
        step = Step(place.dev, place.direction, self._columns["len"][row], self._columns["time_ns"][row])
        known = self._current.get(address)
        if known is not None:
            packet, last = known
            first = packet.places[0]
            reason = packet.end or cut((first.dev, first.direction), last, step)
            if not reason:
                self._current[address] = packet, step
                return packet
            self._cuts[reason] += 1
        packet = Packet(len(self._packets), address, first_ns=step.time_ns)
        self._packets.append(packet)
        self._current[address] = packet, step
        return packet

    def _returned(self, row: int, point: Tracepoint) -> None:
        address = self._columns["skbaddr"][row]
        stack = self._stack(row)
        call = self._pop(stack, point.closes, address, self._devs[row])
        if call is None:
            self._unmatched[point.name] += 1
            if address:  # it is the only witness that the packet was there
                self._came(row, point)
            return
        packet = call.packet
        current = self._current.get(packet.skbaddr)
        gone = current is None or current[0] is not packet or bool(packet.end)
        late = gone or call.place != len(packet.places) - 1
        self._add(packet, row, Sighting(row, point.name, call.place, not address, late, len(stack)))
        if point.closes == "napi_gro_receive_entry" and self._rc[row] in GRO_MERGED:
            packet.end = "merged"

    def _pop(self, stack: list[_Call], opener: str, address: int, dev: str | None) -> _Call | None:
        """The innermost open call that this event can end. Calls left open inside it have ended unseen."""
        for at in range(len(stack) - 1, -1, -1):
            call = stack[at]
            if call.event != opener:
                continue
            if address and (call.skbaddr != address or call.packet.places[call.place].dev != dev):
                continue
            first = at
            if not address:  # one exit for a whole list of entries
                while opener.endswith("_list_entry") and first and stack[first - 1].event == opener:
                    first -= 1
            del stack[first:]
            return call
        return None

    def _freed(self, row: int, name: str) -> None:
        known = self._current.get(self._columns["skbaddr"][row])
        if known is None or known[0].end:
            return
        packet = known[0]
        depth = len(self._stack(row))
        self._add(packet, row, Sighting(row, name, -1, blind=True, late=False, depth=depth))
        packet.end = "freed"

    def _add(self, packet: Packet, row: int, sighting: Sighting) -> None:
        packet.sightings.append(sighting)
        packet.last_ns = max(packet.last_ns, self._columns["time_ns"][row])

    def _stack(self, row: int) -> list[_Call]:
        """The open calls of a CPU, or of a thread where the recording doesn't say which CPU it was."""
        cpu = self._columns["cpu"][row]
        key = ("cpu", cpu) if cpu >= 0 else ("tid", self._columns["tid"][row])
        return self._calls.setdefault(key, [])
