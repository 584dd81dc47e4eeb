"""Which event ended which packet.

A free belongs to the chain whose last hop is the latest of that address, unless another free came in between, and
unless it can't be that packet's: an address is given out again at once, and a packet that dies before any device sees
it shows no hop of its own. Wrong is worse than unknown: what doesn't fit is taken for another packet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from perfpath.journeys.merges import EXIT as MERGE_EVENT
from perfpath.journeys.observe import FREE, MERGE, PROCESS, REACHED, READ, context_of
from perfpath.journeys.rules import GRO
from perfpath.tables import narrow

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

    dropped: for each chain the kfree_skb that ended it; taken: the other free that did (skb:consume_skb); read: the
    event that shows a process reading it; merged: the one that says that GRO put it into another packet; reached: the
    one that says that it reached a socket.
    unseen: rows of kfree_skb that belong to no chain. cause, unseen_cause: numbers among the causes, as long as
    `dropped` and `unseen`.
    """

    dropped: Array
    taken: Array
    read: Array
    merged: Array
    reached: Array
    unseen: Array
    cause: Array
    taken_cause: Array
    unseen_cause: Array


def endings(done: Pass, causes: Causes, gap_ns: int) -> Endings:
    """Look for the ends of all chains of a pass."""
    observed, chains = done.observed, len(done.chains.starts)
    rows = np.flatnonzero(np.isin(observed["_kind"], (FREE, READ, MERGE, REACHED)))
    hop = _latest_hop(done, rows)
    near = hop >= 0
    near[near] = observed["time_ns"][rows[near]] - done.seen.time[hop[near]] <= gap_ns
    free = observed["_kind"][rows] == FREE
    merge = observed["event"][rows] == observed.names["event"].find(MERGE_EVENT)
    merge &= (hop >= 0) & (done.seen.kind[hop] == GRO) if len(done.seen) else False
    drop = observed["event"][rows] == observed.names["event"].find(DROP)
    drop &= observed["location"][rows] >= 0 if "location" in observed else False  # a text says nothing to go by
    cause = np.full(len(rows), -1, dtype=np.int64)
    cause[free] = causes.of(observed, rows[free])
    mine = drop & near & ~causes.which("of_copies", cause)  # a copy's address may have been another packet's before
    mine[mine] = _belongs(done, rows[mine], hop[mine], cause[mine], causes)
    taken = free & ~drop & ~merge & near
    reached = (observed["_kind"][rows] == REACHED) & near
    reached[reached] = _is_last(done, hop[reached]) & _one_by_one(done, hop[reached])
    read = (observed["_kind"][rows] == READ) & near
    merge[merge] = _is_last(done, hop[merge])
    read[read] = _is_read(done, rows[read], hop[read])
    read[read] &= ~_of_others(causes, _freed_by(observed, rows, cause)[read])
    chain_of = np.repeat(np.arange(chains), done.chains.sizes)

    def spread(which: Array, values: Array) -> Array:
        column = np.full(chains, -1, dtype=narrow(len(observed)))
        column[chain_of[hop[which]]] = values[which]
        return column

    unseen = drop & ~mine
    return Endings(
        dropped=spread(mine, rows),
        taken=spread(taken, rows),
        read=spread(read, rows),
        merged=spread(merge, rows),
        reached=spread(reached, rows),
        unseen=rows[unseen],
        cause=spread(mine, cause),
        taken_cause=spread(taken, cause),
        unseen_cause=cause[unseen],
    )


def _is_read(done: Pass, rows: Array, hop: Array) -> Array:
    """Whether these reads can be of the packets whose last hops are given: received there, and not longer.

    Messages of netlink and unix sockets are read in the same way, from the same addresses.
    """
    seen = done.seen
    length = done.observed["len"][rows].astype(np.int64)
    result: Array = _is_last(done, hop) & ~seen.tx[hop] & (length > 0) & (length <= seen.length[hop])
    return result


def _one_by_one(done: Pass, hop: Array) -> Array:
    """Whether packets that were received at these hops are worked on one by one: what GRO hands up comes as a list."""
    result: Array = ~done.seen.tx[hop] & (done.seen.kind[hop] != GRO)
    return result


def _is_last(done: Pass, hop: Array) -> Array:
    """Which of these sightings (-1: none) are the last of their chains."""
    last = np.zeros(len(done.seen) + 1, dtype=bool)
    last[done.chains.starts + done.chains.sizes - 1] = True
    result: Array = last[hop]
    return result


def _freed_by(observed: Table, rows: Array, cause: Array) -> Array:
    """For each of these rows the cause of the next free of its address, -1 for none."""
    address = observed["skbaddr"][rows]
    order = np.lexsort((rows, address))
    number = np.arange(len(rows))
    free = np.where(cause[order] >= 0, number, len(rows))
    following = np.minimum.accumulate(free[::-1])[::-1]
    found = np.minimum(following, len(rows) - 1)
    known = (following < len(rows)) & (address[order][found] == address[order])
    result = np.full(len(rows), -1, dtype=np.int64)
    result[order] = np.where(known, cause[order][found], -1)
    return result


def _of_others(causes: Causes, cause: Array) -> Array:
    """Which causes are those of messages that are no packets."""
    other = [each.function.startswith(("netlink_", "unix_")) for each in causes.known]
    result: Array = np.array([*other, False])[cause]
    return result


def _latest_hop(done: Pass, rows: Array) -> Array:
    """For each of these rows the sighting of its address before it, -1 where there is none or a free lies between."""
    observed, seen = done.observed, done.seen
    if not len(rows):
        return rows
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
    result = np.full(len(rows), -1, dtype=np.int64)
    if not len(rows):
        return result
    last = done.chains.starts + done.chains.sizes - 1
    ended = last[~seen.tx[last]]  # chains that end by being received
    chain = np.flatnonzero(~seen.tx[last])
    order = np.argsort(seen.rows[ended])
    ended, chain = ended[order], chain[order]
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
