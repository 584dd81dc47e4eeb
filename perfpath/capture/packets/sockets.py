"""A packet socket in every namespace, and a thread that empties their rings."""

from __future__ import annotations

import fcntl
import os
import resource
import struct
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from perfpath import schema
from perfpath.capture.packets.clock import Offset
from perfpath.capture.packets.ring import OUTGOING, Ring, headers_of, packets_of
from perfpath.diagnostics import Diagnostics
from perfpath.firstbytes import PACKET
from perfpath.tables import Names, Table, concatenated

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from perfpath.tables import Array

    Inside = Callable[[Callable[[], list[Ring]]], list[Ring]]

SIOCGIFNAME = 0x8910
IFREQ = "=16si20x"  # struct ifreq: ifr_name, ifr_ifindex
MEMORY = 128 << 20  # of all rings together
LARGEST, SMALLEST = 8 << 20, 1 << 16
SOCKETS = 512  # with more, one socket of a namespace serves all CPUs
PAUSE = 0.02  # seconds between two rounds
WAITING = 1 << 18
"""So many sightings wait to be taken (about 50 MB); beyond that the rings fill up, and count what finds no room."""
NAME_NS = 1_000_000_000  # an interface's name is asked for again after this time


@dataclass(slots=True)
class _Room:
    """The rings of one namespace. split: one for each CPU. names: ifindex -> (code, when it was asked for)."""

    inum: int
    rings: list[Ring]
    split: bool
    names: dict[int, tuple[int, int]] = field(default_factory=dict)


class Sockets:
    """Collects what packet sockets see, until it is closed.

    diagnostics: namespaces that can't be watched. What finds no room in a ring is counted there as `packets-dropped`.
    """

    def __init__(self, expected: int = 1) -> None:
        """expected: how many namespaces there will be, about; the rings' sizes depend on it."""
        self.diagnostics = Diagnostics()
        self._cpus = possible_cpus()
        self._split = self._cpus * max(expected, 1) <= SOCKETS
        each = MEMORY // (max(expected, 1) * (self._cpus if self._split else 1))
        self._size = min(max(each, SMALLEST), LARGEST)
        self._rooms: dict[int, _Room] = {}
        self._lock = threading.Lock()
        self._names = {"dev": Names()}
        self._seen: deque[tuple[Table, int]] = deque()  # with the time until when all was seen before them
        self._waiting = 0
        self._until = 0
        self._offset = Offset()
        self._offset.measure()
        _raise_limit()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="perfpath-sockets", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def namespaces(self) -> frozenset[int]:
        """The inodes of those that are watched."""
        return frozenset(self._rooms)

    def add(self, inum: int, inside: Inside) -> bool:
        """Watch one more namespace. inside: runs a function in it (and raises OSError where it can't).

        False where that fails, which is noted unless the namespace is gone.
        """
        try:
            rings = inside(self._opened)
        except FileNotFoundError:  # it went away meanwhile
            return False
        except OSError as error:
            self.diagnostics.note(
                "no-socket",
                "namespaces in which no packet socket could be opened: their packets' bytes are missing",
                example=f"net:[{inum}]: {error.strerror}",
            )
            return False
        for ring in rings:
            ring.discard()  # what came before all of them were members, several of them have seen
        with self._lock:
            self._rooms[inum] = _Room(inum, rings, len(rings) > 1)
        return True

    def remove(self, gone: Sequence[int]) -> None:
        """Stop watching these; an open socket keeps a namespace alive that everybody else has left."""
        with self._lock:
            for inum in gone:
                if (room := self._rooms.pop(inum, None)) is not None:
                    self._empty(room)
                    self._shut(room)

    @property
    def offset_ns(self) -> int:
        """CLOCK_REALTIME minus CLOCK_MONOTONIC, as it is now."""
        return self._offset.now

    def take(self, at_most: int = sys.maxsize) -> tuple[Table, int]:
        """(SIGHTINGS that weren't taken yet, not sorted; the time until when they are complete).

        at_most: where more wait than about so many, the later ones wait for the next call.
        """
        taken: list[Table] = []
        with self._lock:
            if self._waiting < WAITING:
                self._sweep()
            count = 0
            while self._seen and count < at_most:
                taken.append(self._seen.popleft()[0])
                count += len(taken[-1])
            self._waiting -= count
            until = self._seen[0][1] if self._seen else self._until
        return (concatenated(taken) if taken else nothing(self._names)), until

    def close(self) -> None:
        """Stop; the last sightings can still be taken."""
        self._closing.set()
        self._thread.join()
        with self._lock:
            self._sweep()
            for room in self._rooms.values():
                self._shut(room)
            self._rooms = {}
        if self._offset.steps:
            self.diagnostics.note(
                "clock-set",
                "the wall clock was set while packets were seen: some of them may be joined to no hop",
                count=self._offset.steps,
            )

    def _opened(self) -> list[Ring]:
        rings: list[Ring] = []
        try:
            rings += (Ring(self._size) for _ in range(self._cpus if self._split else 1))
            if len(rings) > 1:
                group = rings[0].lead()
                for ring in rings[1:]:
                    ring.join(group)
        except BaseException:
            for ring in rings:
                ring.close()
            raise
        return rings

    def _run(self) -> None:
        while not self._closing.wait(PAUSE):
            with self._lock:
                if self._waiting < WAITING:
                    self._sweep()

    def _sweep(self) -> None:
        """Empty all rings."""
        began = time.monotonic_ns()
        self._offset.measure(2)
        for room in self._rooms.values():
            self._empty(room)
        self._until = began

    def _empty(self, room: _Room) -> None:
        for ring in room.rings:
            if (table := self._table(room, ring)) is not None:
                self._seen.append((table, self._until))
                self._waiting += len(table)

    def _table(self, room: _Room, ring: Ring) -> Table | None:
        slots = ring.fetch()
        if not len(slots):
            return None
        frames = headers_of(slots)
        columns = {
            "time_ns": frames["sec"].astype(np.int64) * 1_000_000_000 + frames["nsec"] - self._offset.now,
            "cpu": np.broadcast_to(np.int16(room.rings.index(ring) if room.split else -1), len(frames)),
            "netns": np.broadcast_to(np.uint32(room.inum), len(frames)),
            "ifindex": frames["ifindex"].copy(),
            "dev": self._devices(room, ring, frames["ifindex"]),
            "tx": frames["pkttype"] == OUTGOING,
            "len": frames["len"].copy(),
            "protocol": frames["protocol"].astype(np.uint16),
        }
        table = Table.filled(schema.SIGHTINGS, len(frames), self._names, **columns)
        return table.extended(packet=packets_of(slots))

    def _devices(self, room: _Room, ring: Ring, ifindex: Array) -> Array:
        """Codes of the interfaces' names, -1 for what is gone and was never asked for."""
        distinct, where = np.unique(ifindex, return_inverse=True)
        now = time.monotonic_ns()
        codes = []
        for index in distinct.tolist():
            code, asked = room.names.get(index, (-1, -NAME_NS))
            if now - asked >= NAME_NS:
                name = device_name(ring.fileno(), index)
                code = code if name is None else self._names["dev"].code(name)
                room.names[index] = code, now
            codes.append(code)
        return np.array(codes, np.int32)[where]

    def _shut(self, room: _Room) -> None:
        for ring in room.rings:
            if lost := ring.losses():
                self.diagnostics.note(
                    "packets-dropped",
                    "packets that found no room in a packet socket's ring: their hops have no bytes",
                    severity="error",
                    count=lost,
                    advice="--packets none records hops alone; a shorter trace, or less beside it, loses less",
                )
            ring.close()


def nothing(names: dict[str, Names]) -> Table:
    """No sightings."""
    return Table.filled(schema.SIGHTINGS, 0, names).extended(packet=np.zeros(0, PACKET))


def device_name(descriptor: int, ifindex: int) -> str | None:
    """What an interface is called in the namespace of a socket; None where there is none (netdevice(7))."""
    try:
        answer = fcntl.ioctl(descriptor, SIOCGIFNAME, struct.pack(IFREQ, b"", ifindex))
    except OSError:
        return None
    return os.fsdecode(answer[:16].split(b"\0")[0])


def possible_cpus() -> int:
    """One more than the highest number a CPU can have (cpu/possible: `0-3`, `0,2-7`)."""
    try:
        text = Path("/sys/devices/system/cpu/possible").read_text(encoding="ascii").strip()
        return int(text.replace("-", ",").rsplit(",", 1)[-1]) + 1
    except (OSError, ValueError):
        return os.cpu_count() or 1


def _raise_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
