"""Which event ended which packet.

A free belongs to the chain whose last hop is the latest of that address, unless another free came in between, and
unless it can't be that packet's: an address is given out again at once, and a packet that dies before any device sees
it shows no hop of its own. Wrong is worse than unknown: what doesn't fit is taken for another packet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from perfpath.journeys.observe import FREE, PROCESS, READ, context_of

if TYPE_CHECKING:
    from perfpath.journeys.causes import Causes
    from perfpath.journeys.engine import Pass
    from perfpath.tables import Array, Table

DROP = "skb:kfree_skb"
AT_ONCE_NS, SOON_NS, NESTED_NS = 10_000_000, 1_000_000, 50_000
WORKING_NS, RECENT = 100_000, 64


@dataclass(slots=True)
class Endings:
    """Rows of the observed table, -1 for none.

    dropped: for each chain the kfree_skb that ended it; read: the event that shows a process reading it.
    unseen: rows of kfree_skb that belong to no chain. cause, unseen_cause: numbers among the causes, as long as
    `dropped` and `unseen`.
    """

    dropped: Array
    read: Array
    unseen: Array
    cause: Array
    unseen_cause: Array


def endings(done: Pass, causes: Causes, gap_ns: int) -> Endings:
    """Look for the ends of all chains of a pass."""
    observed = done.observed
    chains = len(done.chains.starts)
    none = np.full(chains, -1, dtype=np.int64)
    rows = np.flatnonzero((observed["_kind"] == FREE) | (observed["_kind"] == READ))
    if not len(rows):
        empty = np.zeros(0, dtype=np.int64)
        return Endings(none, none, empty, none, empty)
    hop = _latest_hop(done, rows)
    read, ended = none.copy(), none.copy()
    seen_read = (observed["_kind"][rows] == READ) & (hop >= 0)
    last = done.chains.starts + done.chains.sizes - 1
    chain_of = np.repeat(np.arange(chains), done.chains.sizes)
    seen_read[seen_read] = last[chain_of[hop[seen_read]]] == hop[seen_read]
    read[chain_of[hop[seen_read]]] = rows[seen_read]
    drops = observed["event"][rows] == observed.names["event"].find(DROP)
    rows, hop = rows[drops], hop[drops]
    cause = causes.of(observed, rows)
    mine = hop >= 0
    mine[mine] = _belongs(done, rows[mine], hop[mine], cause[mine], causes) & (
        observed["time_ns"][rows[mine]] - done.seen.time[hop[mine]] <= gap_ns
    )
    cause_of = none.copy()
    ended[chain_of[hop[mine]]], cause_of[chain_of[hop[mine]]] = rows[mine], cause[mine]
    return Endings(ended, read, rows[~mine], cause_of, cause[~mine])


def _latest_hop(done: Pass, rows: Array) -> Array:
    """For each of these rows the sighting of its address before it, -1 where there is none or a free lies between."""
    observed, seen = done.observed, done.seen
    every = np.concatenate([seen.rows, rows])
    is_hop = np.arange(len(every)) < len(seen.rows)
    is_free = np.concatenate([np.zeros(len(seen.rows), dtype=bool), observed["_kind"][rows] == FREE])
    address = observed["skbaddr"][every]
    order = np.lexsort((every, address))
    number = np.arange(len(order))
    address, is_hop, is_free = address[order], is_hop[order], is_free[order]
    begins = np.zeros(len(order), dtype=bool)
    begins[:1] = True
    begins[1:] = address[1:] != address[:-1]
    first = np.maximum.accumulate(np.where(begins, number, 0))
    hop = np.maximum.accumulate(np.where(is_hop, number, -1))
    free = np.concatenate([[-1], np.maximum.accumulate(np.where(is_free, number, -1))[:-1]])
    found = np.where((hop >= first) & (hop > free), order[hop], -1)
    result = np.full(len(every), -1, dtype=np.int64)
    result[order] = found
    return result[len(seen.rows) :]


def _belongs(done: Pass, rows: Array, hop: Array, cause: Array, causes: Causes) -> Array:
    """Whether the drops at these rows can be of the packets whose last hops are given."""
    observed, seen = done.observed, done.seen
    late, made_here, sending, before_a_queue = (
        causes.flags(name)[cause] for name in ("late", "made_here", "sending", "before_a_queue")
    )
    gap = observed["time_ns"][rows] - seen.time[hop]
    cpu = observed["cpu"][rows]
    here = (cpu == seen.cpu[hop]) | (cpu < 0)
    by_process = context_of(observed["flags"][rows]) == PROCESS
    same_task = (seen.context[hop] == PROCESS) & (_tid(observed, rows) == seen.tid[hop])
    prompt = (here & (gap < AT_ONCE_NS)) | (gap < SOON_NS)
    received = ~seen.tx[hop]
    fits = received & (made_here != 1) & np.where(by_process, late | (same_task & (gap < SOON_NS)), prompt | late)
    anew = by_process & (before_a_queue == 1) & (sending != 1) & ((sending == 0) | (gap > NESTED_NS))
    fits = fits | (~received & (prompt | late) & ~anew)
    result: Array = fits.astype(bool) & (observed["protocol"][rows] != 0)
    return result


def worked_on(done: Pass, rows: Array) -> Array:
    """For each of these rows the chain that its CPU had just received and was working on, -1 where that isn't sure.

    What a CPU received last it may only have queued: so all that ended on it a moment ago must be at one place.
    """
    observed, seen = done.observed, done.seen
    last = done.chains.starts + done.chains.sizes - 1
    ended = last[~seen.tx[last]]  # chains that end by being received
    chain = np.flatnonzero(~seen.tx[last])
    order = np.argsort(seen.rows[ended])
    ended, chain = ended[order], chain[order]
    result = np.full(len(rows), -1, dtype=np.int64)
    for number, row in enumerate(rows.tolist()):
        stop = int(np.searchsorted(seen.rows[ended], row))
        recent = np.arange(max(stop - RECENT, 0), stop)
        recent = recent[
            (seen.cpu[ended[recent]] == observed["cpu"][row])
            & (observed["time_ns"][row] - seen.time[ended[recent]] < WORKING_NS)
        ]
        places = {(int(seen.dev[ended[at]]), int(done.chains.path[chain[at]])) for at in recent.tolist()}
        if len(places) == 1:
            result[number] = chain[recent[-1]]
    return result


def _tid(observed: Table, rows: Array) -> Array:
    result: Array = np.where(observed["tid"][rows] >= 0, observed["tid"][rows], observed["pid"][rows])
    return result
