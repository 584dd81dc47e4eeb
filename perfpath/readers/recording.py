"""What every reader gives: where the recording came from, its events in time order, and what it says beside them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from perfpath.diagnostics import Diagnostics
    from perfpath.firstbytes import FirstBytes
    from perfpath.tables import Names, Table


@dataclass(slots=True)
class Info:
    """What a recording says of itself; None or empty where it doesn't.

    format: such as "perf.data", "perf.data (pipe)", "perf trace", "perf script", "ftrace", "trace-cmd".
    clockid: the clock of the times (CLOCK_MONOTONIC is 1), None for perf's own sched_clock.
    wall_offset_ns: add to a time of the recording for nanoseconds since the epoch; None where unknown.
    events: the tracepoints it was recording, `net:` left out. others: what else it was recording, as perf calls it.
    """

    format: str
    path: str = "-"
    hostname: str | None = None
    kernel: str | None = None
    perf_version: str | None = None
    arch: str | None = None
    command: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    clockid: int | None = None
    wall_offset_ns: int | None = None
    first_ns: int | None = None
    last_ns: int | None = None

    @property
    def monotonic(self) -> bool:
        """True where the times are CLOCK_MONOTONIC, as an inventory's are (include/uapi/linux/time.h)."""
        return self.clockid == 1


@dataclass(slots=True)
class TaskNamespaces:
    """Which network namespace a thread was in, since when: the PERF_RECORD_NAMESPACES of a recording."""

    tid: list[int] = field(default_factory=list)
    time_ns: list[int] = field(default_factory=list)
    netns: list[int] = field(default_factory=list)


class Decoder(Protocol):
    """Takes the bytes of a recording as they come and gives events as soon as their order is certain.

    All tables share `names` (category column -> its Names). Between two tables time never goes back, unless an event
    came later than the source had promised (counted in the diagnostics).
    """

    @property
    def info(self) -> Info:
        """What the recording says of itself, as far as it was read."""

    @property
    def diagnostics(self) -> Diagnostics:
        """What was lost or not understood so far; it grows."""

    @property
    def names(self) -> dict[str, Names]:
        """The names of the category columns, shared by all tables."""

    @property
    def packets(self) -> FirstBytes:
        """First bytes of packets by the number in the `packet` column; most recordings have none."""

    def feed(self, data: bytes | memoryview) -> None:
        """Take some more bytes.

        Raises InputError where what came before the first event can't be understood at all.
        """

    def take(self, *, idle: bool = False) -> Table:
        """EVENTS that can be handed on now, in time order; with idle=True (the source has been silent) all held."""

    def close(self) -> Table:
        """The end of the bytes: all events not taken yet. A record cut in two goes to the diagnostics."""


class Source(Protocol):
    """A recording opened for reading: a file, a directory or a pipe."""

    @property
    def info(self) -> Info:
        """What the recording says of itself, as far as it was read."""

    @property
    def diagnostics(self) -> Diagnostics:
        """What was lost or not understood so far; it grows."""

    @property
    def names(self) -> dict[str, Names]:
        """The names of the category columns, shared by all tables."""

    @property
    def packets(self) -> FirstBytes:
        """First bytes of packets by the number in the `packet` column; most recordings have none."""

    def batches(self) -> Iterator[Table]:
        """EVENTS in time order, in pieces of bounded size (one piece where the recording fits in memory)."""
