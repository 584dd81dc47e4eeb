"""What can be known of an event only in the order of time, before packets are told apart.

`Observer` looks at each batch of EVENTS once and gives the rows that matter to journeys, with these columns added:
`_kind` int8 (what the event is to us: a number of HOP_NAMES, FREE, COMPANION, READ, DECISION, MERGE, REACHED) and, for
hops, int32 or, where there are too many of them, int64 columns:
`_seq` (its number among all hops), `_before` (the number of the hop before it on the same CPU, -1 none),
`_queued` (how many packets its CPU's backlog has got so far); and int64 ones:
`_idle` (ns since that hop, only in batches that have hops without flags: others have no use for it),
`_burst` (which burst of work of its CPU it is in).

A burst is a stretch of one CPU's softirq work: it ends where a process sends something (then the softirq had
finished), where the CPU showed nothing for BURST_GAP_NS, or where it has lasted `limit_ns`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from perfpath import tracepoints
from perfpath.journeys.arrivals import Arrivals
from perfpath.journeys.merges import MERGED_FREE, Merges

if TYPE_CHECKING:
    from perfpath.tables import Array, Names, Table

HOP_NAMES = tuple(tracepoints.HOP_EVENTS)
MAIN_KINDS = len(tracepoints.MAIN)
FREE, COMPANION, OTHER, READ, DECISION, MERGE, REACHED = range(len(HOP_NAMES), len(HOP_NAMES) + 7)
FREES = ("skb:consume_skb", "skb:kfree_skb")
READS = ("skb:skb_copy_datagram_iovec",)
NETIF_RX = HOP_NAMES.index("netif_rx")
IS_TX = np.array([tracepoints.HOP_EVENTS[name].direction == "tx" for name in HOP_NAMES])

PROCESS, INTERRUPT, UNKNOWN = 1, 0, -1  # the context a hop happened in, as common_flags tell it
INTERRUPTS = tracepoints.SOFTIRQ | tracepoints.HARDIRQ | tracepoints.NMI

_IDENTITY = ("time_ns", "cpu", "tid", "event", "dev", "skbaddr", "len")

BURST_GAP_NS = 1_000_000
BURST_BITS = 24
BURST_PARTS = 1 << BURST_BITS  # parts of `limit_ns` that a burst can have


@dataclass(slots=True)
class _Cpu:
    """Where a CPU stands at the end of a batch."""

    seq: int = -1
    time_ns: int = 0
    queued: int = 0
    burst: int = 0
    burst_ns: int = 0


class Observer:
    """Sees all batches of one recording, in order."""

    def __init__(self, limit_ns: int) -> None:
        self._limit = max(limit_ns, 1)
        self._cpus: dict[int, _Cpu] = {}
        self._next = 0
        self._merges = Merges()
        self._arrivals = Arrivals()
        self._last: tuple[int, ...] = ()
        self.fallback = False
        self.doubles = 0

    def observe(self, events: Table) -> Table:
        """The hops, companions and frees of a batch that carry an address, and decisions, with the columns above."""
        events = self._without_doubles(events)
        kinds = kinds_of(events.names["event"])
        kind = kinds[events["event"]]
        events, kind = self._with_arrivals(*self._with_merges(events, kind))
        wanted = kind != OTHER
        wanted &= (events["skbaddr"] != 0) | (kind == DECISION)
        rows = events if wanted.all() else events.take(np.flatnonzero(wanted))
        kind = kind if rows is events else kind[wanted]
        self.fallback = is_fallback(events.names["event"])
        hops = np.flatnonzero(hop_mask(kind, fallback=self.fallback))
        return rows.extended(_kind=kind, **self._numbered(rows, hops, kind))

    def _without_doubles(self, events: Table) -> Table:
        """Leave out rows that repeat the row before, time and all: perf wrote some records twice under load."""
        if not len(events):
            return events
        time = events["time_ns"]
        again = np.flatnonzero(time[1:] == time[:-1]) + 1
        if self._last[:1] == (int(time[0]),):
            again = np.concatenate(([0], again))
        double = [row for row in again.tolist() if self._identity(events, row) == self._identity(events, row - 1)]
        self._last = self._identity(events, len(events) - 1)
        self.doubles += len(double)
        return events.take(np.delete(np.arange(len(events)), double)) if double else events

    def _with_merges(self, events: Table, kind: Array) -> tuple[Table, Array]:
        """The same, with the addresses of packets that GRO merged into others at the events that say so."""
        rows, addresses = self._merges.told(events)
        if not len(rows):
            return events, kind
        kind, skbaddr = kind.copy(), events["skbaddr"].copy()
        skbaddr[rows] = addresses
        kind[rows] = np.where(events["rc"][rows] == MERGED_FREE, FREE, MERGE)
        return events.extended(skbaddr=skbaddr), kind

    def _with_arrivals(self, events: Table, kind: Array) -> tuple[Table, Array]:
        """The same, with the addresses of packets that reached a socket at the events that say so."""
        rows, addresses = self._arrivals.told(events)
        if not len(rows):
            return events, kind
        kind, skbaddr = kind.copy(), events["skbaddr"].copy()
        skbaddr[rows], kind[rows] = addresses, REACHED
        return events.extended(skbaddr=skbaddr), kind

    def _identity(self, events: Table, row: int) -> tuple[int, ...]:
        return tuple(int(events[name][row]) for name in _IDENTITY) if row >= 0 else self._last

    def _numbered(self, rows: Table, hops: Array, kind: Array) -> dict[str, Array]:
        """The columns above, -1 in rows that are no hops."""
        first, self._next = self._next, self._next + len(hops)
        small = np.int32 if self._next <= np.iinfo(np.int32).max else np.int64
        cpu, time, flags, kind = (
            column if len(hops) == len(rows) else column[hops]
            for column in (rows["cpu"], rows["time_ns"], rows["flags"], kind)
        )
        context = context_of(flags)
        found = {name: np.empty(len(hops), small) for name in ("_before", "_queued")}
        found["_burst"] = np.empty(len(hops), np.int64)
        if (context == UNKNOWN).any():
            found["_idle"] = np.empty(len(hops), np.int64)
        process, into_queue = context == PROCESS, kind == NETIF_RX
        order = np.argsort(cpu, kind="stable")
        for part in np.split(order, np.flatnonzero(np.diff(cpu[order])) + 1):
            if len(part):
                state = self._cpus.setdefault(int(cpu[part[0]]), _Cpu())
                one = self._of_cpu(state, part + first, time[part], process[part], into_queue[part])
                for name, column in found.items():
                    column[part] = one[name]
        found["_seq"] = np.arange(first, self._next, dtype=small)
        columns = {name: _spread(column, hops, len(rows)) for name, column in found.items()}
        columns.setdefault("_idle", np.broadcast_to(np.int64(-1), len(rows)))
        return columns

    def _of_cpu(self, state: _Cpu, seq: Array, time: Array, process: Array, into_queue: Array) -> dict[str, Array]:
        """The columns of one CPU's hops."""
        before = np.empty_like(seq)
        before[0], before[1:] = state.seq, seq[:-1]
        idle = np.empty_like(time)
        idle[0], idle[1:] = time[0] - state.time_ns, time[1:] - time[:-1]
        new = process | (idle > BURST_GAP_NS)
        new[0] |= state.seq < 0
        last_new = np.maximum.accumulate(np.where(new, np.arange(len(new)), -1))
        start = np.where(last_new >= 0, time[last_new], state.burst_ns)
        burst = state.burst + np.cumsum(new)
        queued = state.queued + np.cumsum(into_queue)
        state.queued = int(queued[-1])
        state.seq, state.time_ns = int(seq[-1]), int(time[-1])
        state.burst, state.burst_ns = int(burst[-1]), int(start[-1])
        burst *= BURST_PARTS
        burst += np.minimum((time - start) // self._limit, BURST_PARTS - 1)
        return {"_before": before, "_idle": idle, "_queued": queued, "_burst": burst}


def _spread(values: Array, rows: Array, length: int) -> Array:
    """A column with these values at some rows, and -1 at the others."""
    if len(rows) == length:
        return values
    column = np.full(length, -1, values.dtype)
    column[rows] = values
    return column


def kinds_of(events: Names) -> Array:
    """What each event name is to us; the last entry is for -1, no name."""
    kinds = np.full(len(events) + 1, OTHER, dtype=np.int8)
    known = {name: number for number, name in enumerate(HOP_NAMES)}
    known |= dict.fromkeys(FREES, FREE) | dict.fromkeys(READS, READ)
    known |= dict.fromkeys(tracepoints.DECISIONS, DECISION)
    known |= {name: COMPANION for name in tracepoints.COMPANIONS if name not in tracepoints.HOP_EVENTS}
    for code, text in enumerate(events.texts):
        kinds[code] = known.get(text, OTHER)
    return kinds


def is_fallback(events: Names) -> bool:
    """True where a recording has none of the four tracepoints that make hops, but others that can stand in."""
    main, others = (
        any(events.find(event.name) >= 0 for event in each) for each in (tracepoints.MAIN, tracepoints.FALLBACK)
    )
    return others and not main


def both_directions(events: Names) -> bool:
    """True where hops of both directions were seen."""
    seen = {HOP_NAMES.index(text) for text in events.texts if text in HOP_NAMES}
    return any(IS_TX[kind] for kind in seen) and not all(IS_TX[kind] for kind in seen)


def hop_mask(kind: Array, *, fallback: bool) -> Array:
    """Which rows make hops."""
    mask: Array = (kind >= MAIN_KINDS) & (kind < FREE) if fallback else kind < MAIN_KINDS
    return mask


def context_of(flags: Array) -> Array:
    """PROCESS, INTERRUPT or UNKNOWN for each row's common_flags."""
    if flags.strides == (0,) and len(flags) and flags[0] < 0:
        return np.broadcast_to(np.int8(UNKNOWN), len(flags))
    context: Array = ((flags & INTERRUPTS) == 0).astype(np.int8)
    context[flags < 0] = UNKNOWN
    return context
