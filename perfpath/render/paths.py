"""The distinct paths of a result, and how many packets took each: what the drawings and the summary are made of."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from perfpath.escape import visible
from perfpath.render.groups import bounds, distinct
from perfpath.render.places import UNKNOWN

if TYPE_CHECKING:
    from perfpath.journeys.tracker import Result
    from perfpath.render.places import Namer
    from perfpath.tables import Array, Table

_BY_COUNTING = 1 << 16  # numpy sorts numbers of 16 bits by counting
STEP = ("event", "direction", "dev", "netns_name", "candidates")


class Step(NamedTuple):
    """One hop of a path: tracepoint, `tx` or `rx`, device and namespace; None or 0 where unknown."""

    netns: int
    event: str | None
    direction: str | None
    dev: str | None
    name: str | None
    candidates: str | None


class Place(NamedTuple):
    """A device in a namespace; texts are escaped. `known` tells whether the namespace is."""

    space: str
    dev: str
    known: bool


@dataclass(slots=True)
class Path:
    """A distinct path and the packets that took it.

    roles: packets by role ("" for none); durations: from first to last hop in ns, in pieces.
    """

    steps: tuple[Step, ...]
    roles: Counter[str] = field(default_factory=Counter)
    durations: list[Array] = field(default_factory=list)

    @property
    def packets(self) -> int:
        """How many packets took it."""
        return self.roles.total()

    def places(self, namer: Namer) -> tuple[Place, ...]:
        """The places it leads through: two hops at one device of one known namespace are one place.

        In unknown namespaces only the two sides of `lo` are surely one place: both ends of a veth pair may be `eth0`.
        """
        found: list[Place] = []
        for step in self.steps:
            label = namer.label(step.netns, step.name)
            place = Place(label, visible(step.dev or UNKNOWN), bool(step.netns or step.name))
            if not found or found[-1] != place or not (place.known or place.dev == "lo"):
                found.append(place)
        return tuple(found)

    def line(self, namer: Namer) -> str:
        """The path in one line: `[host] docker0 > vetha373ab6 > [web] eth0`."""
        places = self.places(namer)
        texts = [f"[{places[0].space}] {places[0].dev}"] if places else []
        for before, place in pairwise(places):
            texts.append(place.dev if place[::2] == before[::2] else f"[{place.space}] {place.dev}")
        return " > ".join(texts)


class PathBook:
    """Counts packets by the path they took, over all results added.

    timed: keep how long each packet took, for who shows that; without, memory doesn't grow with their number.
    """

    def __init__(self, *, timed: bool = True) -> None:
        self._timed = timed
        self._paths: dict[tuple[Step, ...], Path] = {}

    def __len__(self) -> int:
        return len(self._paths)

    def add(self, result: Result) -> None:
        """Count the journeys of a result (each journey once)."""
        journeys = result.journeys
        if len(journeys) and not journeys["hops"].all():  # those that no device saw took no path
            journeys = journeys.take(np.flatnonzero(journeys["hops"]))
        if not len(journeys):
            return
        first, codes = distinct(journeys["path"])
        order = np.argsort(codes.astype(np.uint16) if len(first) < _BY_COUNTING else codes, kind="stable")
        groups = np.split(order, np.cumsum(np.bincount(codes))[:-1])
        edges = bounds(result.hops, journeys)
        durations = journeys["end_ns"] - journeys["start_ns"]
        for row, rows in zip(first, groups, strict=True):
            steps = steps_of(result.hops.take(slice(edges[row], edges[row + 1])))
            path = self._paths.setdefault(steps, Path(steps))
            if self._timed:
                path.durations.append(durations[rows])
            for code, count in zip(*np.unique(journeys["role"][rows], return_counts=True), strict=True):
                path.roles[journeys.names["role"][code] or ""] += int(count)

    def common(self) -> list[Path]:
        """All paths, the most travelled first; in order of appearance where equal."""
        return sorted(self._paths.values(), key=lambda path: -path.packets)


def steps_of(hops: Table) -> tuple[Step, ...]:
    """The hops of one journey as the steps of its path."""
    columns = (hops.texts(column) for column in STEP)
    return tuple(map(Step, hops["netns"].tolist(), *columns))
