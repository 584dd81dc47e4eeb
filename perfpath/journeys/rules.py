"""Where a run of hops of one skbaddr is cut: which next hop is a new packet's.

An address is given out again within microseconds under load, so each next hop is asked about. A rule says "cut" only
where the next hop can't be the same packet's, or is likelier another's; the rules are tried in this order, and the
first that applies names the cut.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perfpath.journeys.observe import HOP_NAMES, INTERRUPT, PROCESS

if TYPE_CHECKING:
    from perfpath.journeys.losses import Losses
    from perfpath.journeys.sightings import Sightings
    from perfpath.tables import Array

RULES = ("", "start", "free", "loss", "gap", "process", "again", "length", "impossible", "repeat")
JOINED, START, FREE, LOSS, GAP, PROCESS_RULE, AGAIN, LENGTH, IMPOSSIBLE, REPEAT = range(len(RULES))
MEANING = {
    "free": "the kernel freed the packet before the next hop of its address",
    "loss": "events were lost before the next hop of its address",
    "gap": "the next hop of its address came too late",
    "process": "the next hop of its address was sent anew by a process",
    "again": "the next hop of its address is at the same place",
    "length": "the next hop of its address has a length this packet can't have got",
    "impossible": "no link leads to the next hop of its address",
    "repeat": "the next hop of its address starts the same way over again",
}

ETHERNET, TAG = 14, 4
SENT_TO_RECEIVED = (-ETHERNET, 0, -ETHERNET + TAG, -ETHERNET - TAG)  # a tag may be put into or out of the data on the way
RECEIVED_TO_SENT = (ETHERNET, ETHERNET + TAG, ETHERNET - TAG, 0, TAG)
ENCAPSULATION = 256  # bytes that tunnels, IPsec, options may add
DECAPSULATION = 400
NESTED_NS = 20_000  # a device that sends through another does so within this time
DIRECT_NS = 1_000_000

_GRO = HOP_NAMES.index("napi_gro_receive_entry")
_IN_CONTEXT = tuple(HOP_NAMES.index(name) for name in ("netif_receive_skb_entry", "napi_gro_receive_entry"))


def certain_cuts(seen: Sightings, losses: Losses, gap_ns: int, kernel_thread: Array) -> Array:
    """The rules that need no topology: for each hop a number of RULES, JOINED where it goes on from the one before.

    kernel_thread: hops that happened in a kernel thread, where "process context" says nothing.
    """
    cut = np.zeros(len(seen), dtype=np.int8)
    if not len(seen):
        return cut
    cut[~seen.follows] = START
    _apply(cut, seen.freed, FREE)
    gap = np.diff(seen.time, prepend=seen.time[:1])
    if losses:
        before = np.concatenate((seen.time[:1], seen.time[:-1]))
        cpu_before = np.concatenate((seen.cpu[:1], seen.cpu[:-1]))
        lost = losses.overlap(before, seen.time, seen.cpu) | losses.overlap(before, seen.time, cpu_before)
        _apply(cut, lost, LOSS)
    _apply(cut, gap > gap_ns, GAP)
    _apply(cut, _sent_anew(seen, kernel_thread), PROCESS_RULE)
    return cut


def _apply(cut: Array, where: Array, rule: int) -> None:
    cut[where & (cut == JOINED)] = rule


def _sent_anew(seen: Sightings, kernel_thread: Array) -> Array:
    """A process sends; what was received before that was worked on in softirq, and nothing of it goes on in a process.

    Except what a process itself put into the stack (tun), or a kernel thread works on.
    """
    anew = np.zeros(len(seen), dtype=bool)
    now = np.flatnonzero(seen.follows & seen.tx & (seen.context == PROCESS) & ~kernel_thread)
    before = now - 1
    same_task = seen.tid[now] == seen.tid[before]
    by_itself = np.isin(seen.kind[before], _IN_CONTEXT) & (seen.context[before] == PROCESS)
    nested = seen.tx[before] & (seen.context[before] != INTERRUPT)
    anew[now] = ~(same_task & (by_itself | nested))
    return anew


def length_fits(seen: Sightings) -> tuple[Array, Array]:
    """(possible, exact): whether a hop's length can follow, and whether it is what an unchanged packet has there."""
    change = np.diff(seen.length, prepend=seen.length[:1])
    from_tx = np.concatenate((seen.tx[:1], seen.tx[:-1]))
    grown = np.concatenate((seen.kind[:1], seen.kind[:-1])) == _GRO  # others may have been merged into it
    sent, received = from_tx & ~seen.tx, ~from_tx & seen.tx
    exact = np.zeros(len(seen), dtype=bool)
    for bytes_ in SENT_TO_RECEIVED:
        exact |= sent & (change == bytes_)
    for bytes_ in RECEIVED_TO_SENT:
        exact |= received & (change == bytes_)
    exact |= ~(sent | received) & (change == 0)
    possible = exact | (received & (change > 0) & ((change <= ETHERNET + ENCAPSULATION) | grown))
    possible |= from_tx & seen.tx & (change >= -TAG) & (change <= ENCAPSULATION)
    possible |= ~from_tx & ~seen.tx & (change >= -DECAPSULATION) & ((change <= TAG) | grown)
    unknown = (seen.length == 0) | (np.concatenate((seen.length[:1], seen.length[:-1])) == 0)
    return possible | unknown, exact | unknown


def strong_steps(seen: Sightings, exact: Array) -> Array:
    """Steps that are one packet's whatever the topology says: at once, on one CPU, nothing in between, the same length."""
    gap = np.diff(seen.time, prepend=seen.time[:1])
    from_tx = np.concatenate((seen.tx[:1], seen.tx[:-1]))
    strong = seen.quiet & exact & (gap < DIRECT_NS)
    strong &= (from_tx & ~seen.tx) | (~from_tx & (seen.context == INTERRUPT))
    return strong


def repeats(seen: Sightings, place: Array, cut: Array, strong: Array) -> Array:
    """Hops that begin the walk over again, or turn back where they came from, and aren't the direct continuation."""
    from_tx = np.concatenate((seen.tx[:1], seen.tx[:-1]))
    turned = ~from_tx & (seen.dev == np.concatenate((seen.dev[:1], seen.dev[:-1])))
    first = np.maximum.accumulate(np.where(cut != JOINED, np.arange(len(cut)), 0))
    again = place == place[first]
    return (cut == JOINED) & seen.tx & (again | turned) & ~(strong & ~from_tx)
