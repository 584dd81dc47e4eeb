"""What events show of the truth: each place once and in order, or too little, too much, too late."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from perfpath.lessons.packet import Packet, Place

Sequence = tuple[tuple[str, int], ...]
"""(event, place) for each sighting that shows a place, in time order."""


@dataclass(slots=True)
class Shape:
    """Packets of a scenario that went the same way and were seen by the same events in the same order.

    late: (event, place) of those that fired when the packet had moved on. packets: which ones, the first as an example.
    """

    scenario: str
    places: tuple[Place, ...]
    sequence: Sequence
    late: frozenset[tuple[str, int]]
    packets: list[Packet] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many packets."""
        return len(self.packets)

    @property
    def label(self) -> str:
        """Where it went, in short."""
        return " > ".join(f"{place.direction} {place.dev}" for place in self.places)

    def shown_by(self, events: frozenset[str]) -> list[int]:
        """Places in the order in which these events show them."""
        return [place for event, place in self.sequence if event in events]


@dataclass(frozen=True, slots=True)
class Fault:
    """A place that a set of events doesn't show as it should.

    kind: "missed", "doubled" or "disordered". events: those of the set that show the place.
    """

    kind: str
    shape: Shape
    place: int
    events: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """How well a set of events shows the packets of all scenarios.

    idle: events of the set that never fired: they do neither good nor harm here.
    """

    events: tuple[str, ...]
    faults: tuple[Fault, ...]
    idle: tuple[str, ...]

    @property
    def exact(self) -> bool:
        """Every place of every packet is shown once and in order."""
        return not self.faults

    def count(self, kind: str) -> int:
        """How many places of packets have this fault."""
        return sum(fault.shape.count for fault in self.faults if fault.kind == kind)


def shapes_of(scenario: str, packets: Iterable[Packet]) -> list[Shape]:
    """Packets grouped by shape, in the order of their first packets. Packets without a place are left out."""
    found: dict[object, Shape] = {}
    for packet in packets:
        if not packet.places:
            continue
        seen = [sighting for sighting in packet.sightings if not sighting.blind]
        sequence = tuple((sighting.event, sighting.place) for sighting in seen)
        late = frozenset((sighting.event, sighting.place) for sighting in seen if sighting.late)
        key = (tuple(packet.places), sequence, late)
        shape = found.setdefault(key, Shape(scenario, tuple(packet.places), sequence, late))
        shape.packets.append(packet)
    return list(found.values())


def judge(events: Iterable[str], shapes: Iterable[Shape]) -> Verdict:
    """What a set of events would miss, show twice, or show out of order."""
    wanted = frozenset(events)
    shapes = list(shapes)
    faults = [fault for shape in shapes for fault in _faults(wanted, shape)]
    fired = {event for shape in shapes for event, _ in shape.sequence}
    return Verdict(tuple(sorted(wanted)), tuple(faults), tuple(sorted(wanted - fired)))


def _faults(wanted: frozenset[str], shape: Shape) -> list[Fault]:
    shown = shape.shown_by(wanted)
    times = Counter(shown)
    by: dict[int, tuple[str, ...]] = {
        place: tuple(event for event, at in shape.sequence if at == place and event in wanted) for place in times
    }
    faults = [Fault("missed", shape, place, ()) for place in range(len(shape.places)) if not times[place]]
    faults += [Fault("doubled", shape, place, by[place]) for place, count in sorted(times.items()) if count > 1]
    highest = -1
    for place in dict.fromkeys(shown):
        if place < highest:
            faults.append(Fault("disordered", shape, place, by[place]))
        highest = max(highest, place)
    return faults


@dataclass(frozen=True, slots=True)
class Cell:
    """What one event shows of one place, over all packets that came there.

    packets: that were there. shown: of them, seen at least once. doubled: seen more than once. late: seen when the
    packet had moved on.
    """

    packets: int = 0
    shown: int = 0
    doubled: int = 0
    late: int = 0

    @property
    def perfect(self) -> bool:
        """Every packet once and in time."""
        return self.shown == self.packets > 0 and not self.doubled and not self.late


@dataclass(frozen=True, slots=True)
class Matrix:
    """Events against places for one scenario.

    paths: the distinct ways, as tuples of places, with the number of packets that took each. cells[event]: one cell for
    each place of each path, in that order.
    """

    scenario: str
    paths: tuple[tuple[tuple[Place, ...], int], ...]
    cells: dict[str, tuple[Cell, ...]]


def matrix_of(scenario: str, shapes: list[Shape], events: Iterable[str]) -> Matrix:
    """The coverage matrix of a scenario."""
    paths: dict[tuple[Place, ...], int] = {}
    for shape in shapes:
        paths[shape.places] = paths.get(shape.places, 0) + shape.count
    cells = {
        event: tuple(_cell(event, path, at, shapes) for path in paths for at in range(len(path))) for event in events
    }
    return Matrix(scenario, tuple(paths.items()), cells)


def _cell(event: str, path: tuple[Place, ...], at: int, shapes: list[Shape]) -> Cell:
    packets = shown = doubled = late = 0
    for shape in shapes:
        if shape.places != path:
            continue
        times = shape.sequence.count((event, at))
        packets += shape.count
        shown += shape.count * (times > 0)
        doubled += shape.count * (times > 1)
        late += shape.count * ((event, at) in shape.late)
    return Cell(packets, shown, doubled, late)


def fired(shapes: Iterable[Shape]) -> list[str]:
    """Events that show places, in the order in which they first fire."""
    return list(dict.fromkeys(event for shape in shapes for event, _ in shape.sequence))
