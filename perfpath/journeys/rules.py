"""Where a run of hops of one skbaddr is cut: which next hop is a new packet's.

An address is given out again within microseconds under load, so each next hop is asked about. A rule says "cut" only
where the next hop can't be the same packet's, or is likelier another's; the rules are tried in this order, and the
first that applies names the cut.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from perfpath.journeys.observe import BURST_BITS, HOP_NAMES, INTERRUPT, PROCESS, UNKNOWN
from perfpath.tables import among, distinct

if TYPE_CHECKING:
    from perfpath.journeys.losses import Losses
    from perfpath.journeys.sightings import Sightings
    from perfpath.tables import Array

RULES = (
    "",
    "start",
    "free",
    "loss",
    "gap",
    "process",
    "again",
    "length",
    "impossible",
    "repeat",
    "answer",
    "overtaken",
    "made",
    "content",
    "protocol",
    "round",
)
JOINED, START, FREE, LOSS, GAP, PROCESS_RULE, AGAIN, LENGTH, IMPOSSIBLE, REPEAT, ANSWER, OVERTAKEN = range(12)
MADE, CONTENT, PROTOCOL, ROUND = range(12, len(RULES))
MEANING = {
    "free": "the kernel freed the packet before the next hop of its address",
    "loss": "events were lost before the next hop of its address",
    "gap": "the next hop of its address came too late",
    "process": "the next hop of its address was sent anew by a process",
    "again": "the next hop of its address is at the same place",
    "length": "the next hop of its address has a length this packet can't have got",
    "impossible": "no link leads to the next hop of its address",
    "repeat": "the next hop of its address starts the same way over again",
    "answer": "the next hop of its address answers another packet",
    "overtaken": "the next hop of its address came when later packets had been worked on",
    "made": "the next hop of its address shows another packet, by its call stack",
    "content": "the next hop of its address shows another packet, by its bytes",
    "protocol": "the next hop of its address is of another network protocol",
    "round": "the next hop of its address starts the same way over again, at once, as a router's might",
}

ETHERNET, TAG = 14, 4
SENT_TO_RECEIVED = (
    -ETHERNET,
    0,
    -ETHERNET + TAG,
    -ETHERNET - TAG,
)  # a tag may be put into or out of the data on the way
RECEIVED_TO_SENT = (ETHERNET, ETHERNET + TAG, ETHERNET - TAG, 0, TAG)
ENCAPSULATION = 256  # bytes that tunnels, IPsec, options may add
DECAPSULATION, LEAST_HEADER = 400, 8
NEIGHBOUR = np.array(
    (28, 64, 72)
)  # L3 bytes of an ARP answer, of a neighbour advertisement without and with its option
NESTED_NS = 20_000  # a device that sends through another does so within this time
DIRECT_NS = 1_000_000
SOON_NS = 100_000  # a softirq that isn't interrupted forwards within this time

NETIF_RX = HOP_NAMES.index("netif_rx")
_RECEIVE = HOP_NAMES.index("netif_receive_skb_entry")
GRO = HOP_NAMES.index("napi_gro_receive_entry")


def certain_cuts(seen: Sightings, losses: Losses, gap_ns: int, kernel_thread: Array) -> Array:
    """The rules that need no topology: for each hop a number of RULES, JOINED where it goes on from the one before.

    kernel_thread: hops that happened in a kernel thread, where "process context" says nothing.
    """
    cut = np.zeros(len(seen), dtype=np.int8)
    if not len(seen):
        return cut
    cut[~seen.follows] = START
    _apply(cut, seen.freed, FREE)
    gap = since_before(seen.time)
    if losses:
        since = before(seen.time)
        lost = losses.overlap(since, seen.time, seen.cpu) | losses.overlap(since, seen.time, before(seen.cpu))
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
    last = now - 1
    same_task = seen.tid[now] == seen.tid[last]
    by_itself = np.isin(seen.kind[last], (_RECEIVE, GRO)) & (seen.context[last] == PROCESS)
    nested = seen.tx[last] & (seen.context[last] != INTERRUPT)
    anew[now] = ~(same_task & (by_itself | nested))
    handed_in = np.isin(seen.kind, (_RECEIVE, GRO)) & (seen.context == PROCESS) & ~kernel_thread
    put_in = np.isin(before(seen.kind), (_RECEIVE, GRO)) & (before(seen.context) == PROCESS)
    up = ~before(seen.tx) & put_in & (seen.tid == before(seen.tid))  # the bridge of a tap, in the same write
    anew |= seen.follows & handed_in & ~up  # what a program gets it has read, and what it writes is a new packet
    return anew


def handed_in(seen: Sightings) -> Array:
    """Hops in the course of what a program wrote to a tap or tun (tun_get_user), or right after it.

    The kernel works on that in the program's own context, and so it may answer, or forward, in the name of a process
    that is in quite another namespace. It lasts until the CPU shows something else.
    """
    written = ~seen.tx & np.isin(seen.kind, (_RECEIVE, GRO)) & (seen.context == PROCESS)
    result = np.zeros(len(seen), dtype=bool)
    if not written.any():
        return result
    order = np.argsort(seen.seq)
    order = order[np.argsort(seen.cpu[order], kind="stable")]
    goes_on = seen.cpu_before[order] == before(seen.seq[order])
    for column in (seen.cpu, seen.tid, seen.context):
        goes_on &= column[order] == before(column[order])
    goes_on[0] = False
    number = np.arange(len(order))
    begins = np.maximum.accumulate(np.where(goes_on, 0, number))
    latest = np.maximum.accumulate(np.where(written[order], number, -1))
    result[order] = (latest >= begins) & (seen.context[order] == PROCESS)
    return result


def handed_on(seen: Sightings, steps: Steps) -> Array:
    """Steps from where a program's frame came in to where it goes on, with nothing in between.

    Certain enough where the program can't have sent, or written, there itself.
    """
    same = (seen.tid == before(seen.tid)) & (before(seen.context) == PROCESS) & (seen.context == PROCESS)
    came_in = ~steps.from_tx & np.isin(before(seen.kind), (_RECEIVE, GRO))
    result: Array = came_in & (seen.kind != NETIF_RX) & same & seen.quiet & steps.exact & (steps.gap < NESTED_NS)
    return result


@dataclass(frozen=True, slots=True)
class Steps:
    """Each sighting compared with the one before it.

    from_tx: that one was sent. change: of the length, bytes. gap: ns. possible: the length can follow.
    exact: the length is what an unchanged packet has there. same: the device and direction are the same.
    elsewhere: this is another burst of work, or another CPU.
    nested: both were sent, by one task on one CPU, one in the course of the other by all appearances.
    strong: one packet's whatever the topology says: at once, on one CPU, nothing in between, as long.
    """

    from_tx: Array
    gap: Array
    possible: Array
    exact: Array
    same: Array
    nested: Array
    elsewhere: Array
    strong: Array


def steps_of(seen: Sightings) -> Steps:
    """Compare each sighting with the one before."""
    from_tx, gap = before(seen.tx), since_before(seen.time)
    possible, exact = _length_fits(seen, from_tx)
    same = (seen.dev == before(seen.dev)) & (seen.tx == from_tx)
    alike = (seen.context == before(seen.context)) & (seen.tid == before(seen.tid)) & (seen.cpu == before(seen.cpu))
    nested = from_tx & seen.tx & alike & possible & (gap < DIRECT_NS)
    at_once = gap < NESTED_NS
    strong = np.where(
        from_tx,
        alike & (seen.tx & at_once & ~same | (seen.kind == NETIF_RX)) | at_once & ~seen.tx,
        (seen.context == INTERRUPT) & ((seen.tx & _alone(seen)) | (at_once & (seen.kind == _RECEIVE))),
    )
    elsewhere = since_before(seen.burst >> BURST_BITS) != 0
    elsewhere |= seen.cpu != before(seen.cpu)
    return Steps(
        from_tx, gap, possible, exact, same, nested, elsewhere, strong & seen.quiet & exact & (gap < DIRECT_NS)
    )


def _alone(seen: Sightings) -> Array:
    """Hops before which nothing else can have waited on the CPU that would be worked on after the hop before.

    A packet in the backlog exists until its turn, and its address is nobody else's; what was handed up ends at once,
    and the next in the backlog may be given its address.
    """
    last = before(seen.kind) == NETIF_RX
    handed_up = (before(seen.kind) == _RECEIVE) & (before(before(seen.kind)) == NETIF_RX) & before(seen.follows)
    result: Array = last | (handed_up & (before(seen.queued) == before(before(seen.queued))))
    return result


def before(column: Array) -> Array:
    """A column moved by one: for each sighting what the one before has."""
    return np.concatenate((column[:1], column[:-1]))


def since_before(column: Array) -> Array:
    """What each sighting has more than the one before, 0 for the first."""
    more = np.empty_like(column)
    more[:1] = 0
    np.subtract(column[1:], column[:-1], out=more[1:])
    return more


def _length_fits(seen: Sightings, from_tx: Array) -> tuple[Array, Array]:
    """(possible, exact), as `Steps` has them."""
    change = since_before(seen.length)
    merged = before(seen.kind) == GRO  # others may have been merged into it
    crossed, forwarded = from_tx & ~seen.tx, ~from_tx & seen.tx
    nested, handed_up = from_tx & seen.tx, ~from_tx & ~seen.tx
    exact = (nested | handed_up) & (change == 0)
    for each in SENT_TO_RECEIVED:
        exact |= crossed & (change == each)
    for each in RECEIVED_TO_SENT:
        exact |= forwarded & (change == each)
    exact &= ~handed_up | (seen.kind == _RECEIVE)  # a bridge hands up what it received; others take something off
    possible = exact | (forwarded & (change > 0) & ((change <= ETHERNET + ENCAPSULATION) | merged))
    possible |= nested & (change >= -TAG) & (change <= ENCAPSULATION)
    possible |= handed_up & (((change >= -DECAPSULATION) & (change <= -LEAST_HEADER)) | (merged & (change > 0)))
    possible |= handed_up & (seen.kind == _RECEIVE) & (np.abs(change) <= TAG)
    unknown = (seen.length == 0) | (before(seen.length) == 0)
    return possible | unknown, exact | unknown


def turns_back(seen: Sightings, steps: Steps, known: Array) -> Array:
    """Hops that go back where the packet came from, and aren't its direct continuation.

    known: steps that the topology says are possible; a device's other end of the same name is no turning back then.
    """
    again = seen.dev == before(seen.dev)
    looped = steps.from_tx & ~seen.tx & (seen.kind == GRO) & ~known
    turned: Array = again & ~steps.strong & ((~steps.from_tx & seen.tx) | looped)
    return turned


def may_repeat(seen: Sightings, steps: Steps, known: Array) -> Array:
    """Hops that are cut off where they are at the place where the chain began."""
    result: Array = ~steps.strong & (seen.tx | (steps.from_tx & ~known))
    return result


def firm_steps(seen: Sightings, steps: Steps) -> Array:
    """Steps that may tell where a packet was: one joined wrongly would put hops into another packet's namespace.

    Forwarding counts only in the softirq burst that received the packet, as flags show it.
    """
    here = ~steps.elsewhere & steps.exact & (steps.gap < DIRECT_NS)
    handed_up = ~steps.from_tx & ~seen.tx & (steps.gap < DIRECT_NS) & ~steps.elsewhere
    crossed = steps.from_tx & ~seen.tx & (seen.cpu == before(seen.cpu)) & steps.exact & (steps.gap < DIRECT_NS)
    firm: Array = steps.strong | steps.nested | handed_up | crossed | (here & (seen.context == INTERRUPT))
    return firm & ~may_ask(seen, steps)


def may_ask(seen: Sightings, steps: Steps) -> Array:
    """Steps that look as if a router forwarded something as long as a question for a neighbour, which none does.

    Such a question is made anew, and may well get the address of one that its receiver has just freed.
    """
    result: Array = ~steps.from_tx & seen.tx & ~seen.quiet & (steps.gap > NESTED_NS)
    result &= before(seen.length) == NEIGHBOUR[0]
    return result


def sent_by_another(seen: Sightings, steps: Steps) -> Array:
    """Hops that a process sends, after the same address was sent on another CPU, as long."""
    again: Array = steps.from_tx & seen.tx & (seen.context == PROCESS) & (seen.cpu != before(seen.cpu))
    return again & steps.exact


def sent_on_unknown(seen: Sightings, steps: Steps) -> Array:
    """Hops that send what was received, or anew: nothing says whether a process or a softirq did it, as in a text."""
    unknown: Array = seen.follows & seen.tx & ~steps.from_tx & (seen.context == UNKNOWN)
    return unknown


def hardly_one(seen: Sightings, steps: Steps) -> Array:
    """Of `sent_on_unknown`, those that may as well be sent anew: forwarding is what the same CPU does next, at once."""
    next_done = seen.quiet & (seen.tid == before(seen.tid)) & (steps.gap < SOON_NS)
    result: Array = sent_on_unknown(seen, steps) & ~next_done
    return result


def waited(seen: Sightings, steps: Steps) -> Array:
    """Hops that waited for a neighbour's address: its answer was what their CPU saw last, on their device."""
    result = np.zeros(len(seen), dtype=bool)
    forwarded = np.flatnonzero(
        seen.follows & seen.tx & ~steps.from_tx & (seen.context != PROCESS) & steps.exact & ~steps.elsewhere
    )
    asked, found = seen.numbered(seen.cpu_before[forwarded])
    told = found & ~seen.tx[asked] & (seen.dev[asked] == seen.dev[forwarded])
    told &= among(seen.length[asked], NEIGHBOUR) & (seen.length[asked] + ETHERNET != seen.length[forwarded])
    result[forwarded[told]] = True
    return result


def overtaken(seen: Sightings, steps: Steps, cut: Array) -> Array:
    """Hops that forward what had been worked on before: its CPU's backlog is first in, first out.

    Where something that came into the backlog after the hop before has gone on already, that one's packet is done.
    """
    from_queue = (cut == JOINED) & ~steps.from_tx & (before(seen.kind) == NETIF_RX) & (seen.cpu == before(seen.cpu))
    late = np.flatnonzero(from_queue & seen.tx & ~steps.strong)
    result = np.zeros(len(cut), dtype=bool)
    if not len(late):
        return result
    sure = np.flatnonzero(from_queue & (steps.strong | ~seen.tx))
    for cpu in distinct(seen.cpu[late]).tolist():
        mine = sure[seen.cpu[sure] == cpu]
        mine = mine[np.argsort(seen.seq[mine])]
        newest = np.maximum.accumulate(seen.seq[mine - 1])  # of what is known to be done when, the last to come in
        asked = late[seen.cpu[late] == cpu]
        at = np.searchsorted(seen.seq[mine], seen.seq[asked]) - 1
        asked, at = asked[at >= 0], at[at >= 0]
        result[asked[newest[at] > seen.seq[asked - 1]]] = True
    return result


def answered_before(seen: Sightings, steps: Steps, cut: Array) -> Array:
    """Hops that send on what seems to have been answered: right after it was received its CPU sent as much back.

    Either that answered another packet, which had waited longer, or this is another packet with the address of the
    first, such as a copy that tc mirrors.
    """
    result = np.zeros(len(cut), dtype=bool)
    sent_on = (cut == JOINED) & ~steps.from_tx & seen.tx & ~seen.quiet & (seen.context == INTERRUPT)
    if not sent_on.any():
        return result
    born = np.flatnonzero((cut != JOINED) & seen.tx & (seen.context == INTERRUPT))
    last, found = seen.numbered(seen.cpu_before[born])
    found &= ~seen.tx[last] & (seen.dev[last] == seen.dev[born]) & (seen.length[last] + ETHERNET == seen.length[born])
    answered = np.zeros(len(cut), dtype=bool)
    answered[last[found]] = True
    result[1:] = sent_on[1:] & answered[:-1]
    return result


def answers(seen: Sightings, steps: Steps, cut: Array) -> Array:
    """Hops that are another packet's answer: what was seen last on that CPU ended there, with that length.

    Only where the CPU had finished its work since the hop before (a process had sent something, or it was idle), or
    this is another CPU. What still is the same packet then had waited, for a neighbour's address perhaps, and follows
    something shorter.
    """
    later = steps.elsewhere & ~steps.strong
    later &= (cut == JOINED) & seen.tx & ~steps.from_tx & (seen.context == INTERRUPT)
    candidates = np.flatnonzero(later)
    result = np.zeros(len(cut), dtype=bool)
    if not len(candidates):
        return result
    asked, found = seen.numbered(seen.cpu_before[candidates])
    follower = np.minimum(asked + 1, len(cut) - 1)
    ended = (follower == asked) | (cut[follower] != JOINED) | later[follower]
    fits = found & ~seen.tx[asked] & ended
    fits &= (seen.dev[asked] == seen.dev[candidates]) & (seen.length[asked] + ETHERNET == seen.length[candidates])
    result[candidates[fits]] = True
    return result
