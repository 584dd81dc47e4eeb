"""Which journey answers which: a reply begins where and when its request ended.

Only what is certain makes a role. Where the recording has common_flags, a reply is born in softirq, by the kernel
that received the request: on the CPU, in the burst of work and at the device where the request ended, as long as it.
The backlog of a CPU is worked on first in, first out; so requests and replies of one length at one device pair in
their order, as long as every request there was answered. Where one wasn't, none of that stretch gets a role.
Without flags, a reply is the very next thing on the CPU, and takes the mirrored way back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from perfpath.journeys.observe import INTERRUPT, PROCESS, UNKNOWN
from perfpath.journeys.paths import mixed
from perfpath.journeys.rules import DIRECT_NS, ETHERNET, NEIGHBOUR
from perfpath.tables import narrow

if TYPE_CHECKING:
    from perfpath.journeys.paths import Chains
    from perfpath.journeys.sightings import Sightings
    from perfpath.tables import Array, Table

ASKERS = ("ping", "fping", "arping", "oping")
"""Programs that only ever ask: what the loopback device shows after one of their packets is the answer."""

OTHER_WAY, MIRRORED, EITHER_WAY = range(3)


@dataclass(slots=True)
class Pairs:
    """Chains by number: reply[i] answers request[i]. direct: nothing else was seen on that CPU in between."""

    request: Array
    reply: Array
    direct: Array

    def take(self, rows: Array) -> Pairs:
        """Some of the pairs."""
        return Pairs(self.request[rows], self.reply[rows], self.direct[rows])


def first_of_each(pairs: Pairs, start: Array) -> Array:
    """The pairs left where a reply is nobody's request: of pairs in a row every other one, from the first.

    start: of each chain, ns.
    """
    asked_again = np.flatnonzero(np.isin(pairs.request, pairs.reply) | np.isin(pairs.reply, pairs.request))
    keep = np.ones(len(pairs.request), dtype=bool)
    replies: set[int] = set()
    for number in asked_again[np.argsort(start[pairs.reply[asked_again]], kind="stable")].tolist():
        if int(pairs.request[number]) in replies:
            keep[number] = False
        else:
            replies.add(int(pairs.reply[number]))
    return np.flatnonzero(keep)


@dataclass(slots=True)
class Ends:
    """What the pairing looks at of each chain: its first and last hop, and the devices next to the wire there.

    sent: the last of the hops it began with by sending; received: the first of those it ended with by receiving
    (of docker0 and its port, the port). All are numbers of sightings; where a chain begins otherwise, sent is its first
    hop, and where it ends by sending (as far as it was seen), received its last.
    """

    first: Array
    last: Array
    sent: Array
    received: Array


def ends_of(seen: Sightings, chains: Chains) -> Ends:
    """The ends of all chains."""
    number = np.arange(len(seen), dtype=narrow(len(seen)))
    first, last = chains.starts, chains.starts + chains.sizes - 1
    first_rx = np.minimum.reduceat(np.where(seen.tx, len(seen), number), first)
    last_tx = np.maximum.reduceat(np.where(seen.tx, number, -1), first)
    sent, received = np.minimum(first_rx, last + 1) - 1, np.maximum(last_tx + 1, first)
    return Ends(first, last, np.maximum(sent, first), np.minimum(received, last))


def paired(seen: Sightings, chains: Chains, observed: Table, reply_ns: int, *, sent_on: Array, threads: Array) -> Pairs:
    """All requests with their replies.

    sent_on: hops that may send on what was received, though they begin a chain. threads: hops in a kernel thread: what
    it sends is an answer, or tells of an error, as likely as not.
    """
    none = np.zeros(0, dtype=np.int64)
    if not len(chains.starts):
        return Pairs(none, none, none.astype(bool))
    first, last = chains.starts, chains.starts + chains.sizes - 1
    context = seen.context[first]
    born = seen.tx[first] & (context == INTERRUPT) & ~sent_on[first]
    blind = seen.tx[first] & (context == UNKNOWN)
    ended = ~seen.tx[last]
    asks = ended & ~(seen.tx[first] & ((context != PROCESS) | threads[first]))
    found = []
    if born.any():
        ends = ends_of(seen, chains)
        found.append(_answered(seen, ends, asks, born))
        for chain in (
            found[0].request,
            found[0].reply,
        ):  # what waited for a neighbour's address is sent in softirq, too
            born[chain] = ended[chain] = False
        found.append(_answered(seen, ends, ended & born & _waited(seen, ends), born))
    if blind.any():
        found.append(_mirrored(seen, chains, observed, blind))
    if not found:
        return Pairs(none, none, none.astype(bool))
    pairs = Pairs(*(np.concatenate([getattr(each, name) for each in found]) for name in ("request", "reply", "direct")))
    wait = seen.time[first[pairs.reply]] - seen.time[last[pairs.request]]
    address = observed["skbaddr"][seen.rows[first]]  # of a reply that is made while its request still is there
    return pairs.take((wait >= 0) & (wait <= reply_ns) & (address[pairs.request] != address[pairs.reply]))


def _waited(seen: Sightings, ends: Ends) -> Array:
    """Chains that were sent when a neighbour's address had come, the last thing their CPU saw before.

    Other packets that are born in softirq ask nothing: they are answers, or tell of errors, several at once perhaps.
    """
    last, found = seen.numbered(seen.cpu_before[ends.first])
    found &= ~seen.tx[last] & np.isin(seen.length[last], NEIGHBOUR)
    found &= seen.time[ends.first] - seen.time[last] < DIRECT_NS
    result: Array = found & ((seen.dev[last] == seen.dev[ends.first]) | (seen.dev[last] == seen.dev[ends.sent]))
    return result


def _answered(seen: Sightings, ends: Ends, asks: Array, born: Array) -> Pairs:
    replies = np.flatnonzero(born)
    reply_burst = _burst(seen, ends.first[replies])
    requests = np.flatnonzero(asks)
    request_burst = _burst(seen, ends.last[requests])
    near = np.isin(request_burst, reply_burst)
    requests, request_burst = requests[near], request_burst[near]
    key = np.concatenate(
        (
            _place(request_burst, seen.dev[ends.received[requests]], seen.length[ends.received[requests]]),
            _place(reply_burst, seen.dev[ends.sent[replies]], seen.length[ends.sent[replies]] - ETHERNET),
        )
    )
    chain = np.concatenate((requests, replies))
    is_reply = np.arange(len(chain)) >= len(requests)
    order = np.lexsort((seen.seq[np.where(is_reply, ends.first[chain], ends.last[chain])], key))
    matched = balanced(key[order], is_reply[order])
    asked, answers = chain[order][matched & ~is_reply[order]], chain[order][matched & is_reply[order]]
    direct = seen.cpu_before[ends.first[answers]] == seen.seq[ends.last[asked]]
    return Pairs(asked, answers, direct)


def _burst(seen: Sightings, at: Array) -> Array:
    """The bursts of these hops: those of one CPU are numbered, and so is the CPU."""
    burst: Array = (seen.burst[at] << np.int64(12)) ^ seen.cpu[at]
    return burst


def unrivalled(seen: Sightings, chains: Chains, pairs: Pairs, settled: Array, reply_ns: int) -> Array:
    """For each pair, whether nothing else that ended at such a device on that CPU shortly before went unanswered.

    What waits in a backlog longer than usual might be what was answered; a copy of a broadcast, for instance.
    settled: chains that earlier passes paired.
    """
    ends = ends_of(seen, chains)
    quiet = ~seen.tx[ends.last] & ~settled
    quiet[pairs.request] = quiet[pairs.reply] = False
    others, asked = np.flatnonzero(quiet), pairs.request
    chain = np.concatenate((others, asked))
    hop = ends.received[chain]
    key = _place(seen.cpu[hop].astype(np.int64), seen.dev[hop], seen.length[hop])
    rival = np.arange(len(chain)) < len(others)
    time = np.concatenate((seen.time[ends.last[others]], seen.time[ends.first[pairs.reply]]))
    order = np.lexsort((time, key))
    begins = np.concatenate(([True], key[order][1:] != key[order][:-1]))
    number = np.arange(len(order))
    start = np.maximum.accumulate(np.where(begins, number, 0))
    latest = np.maximum.accumulate(np.where(rival[order], number, -1))
    alone = (latest < start) | (time[order] - time[order][np.maximum(latest, 0)] > reply_ns)
    result = np.empty(len(chain), dtype=bool)
    result[order] = alone
    return result[len(others) :]


def chance(seen: Sightings, chains: Chains, pairs: Pairs) -> Array:
    """Pairs that may only look like it: one timer's question to a neighbour after another's answer, as long as it.

    Where a chain would be a reply and a request, one of its pairs is such.
    """
    asked = chains.starts[pairs.request]
    by_timer = seen.tx[asked] & (seen.context[asked] == INTERRUPT)
    by_timer &= np.isin(seen.length[asked], [each + ETHERNET for each in NEIGHBOUR])
    result: Array = by_timer | np.isin(pairs.request, pairs.reply) | np.isin(pairs.reply, pairs.request)
    return result


def _place(burst: Array, dev: Array, length: Array) -> Array:
    return mixed(mixed(burst.astype(np.uint64)) ^ (dev.astype(np.uint64) << np.uint64(32)) ^ length.astype(np.uint64))


def balanced(group: Array, closes: Array) -> Array:
    """Which entries belong to stretches of a group in which everything opened was closed, as brackets are.

    What closes with nothing open is left out, and so is a stretch that never gets back to nothing open.
    """
    if not len(group):
        return np.zeros(0, dtype=bool)
    number = np.cumsum(np.diff(group, prepend=group[:1]) != 0)
    height = np.cumsum(np.where(closes, -1, 1))
    begins = np.flatnonzero(np.diff(number, prepend=-1))
    base = np.concatenate(([0], height[begins[1:] - 1]))
    height -= base[number]
    steps = number * (2 * len(group) + 2)
    lowest = np.minimum.accumulate(np.minimum(height, 0) - steps) + steps  # a group's steps make it start anew
    depth = height - lowest
    stray = closes & (height == lowest) & (height < 0)
    before = np.concatenate(([0], lowest[:-1]))
    stray &= (lowest < before) | (np.diff(number, prepend=-1) != 0)
    opens = ~closes & (depth == 1)
    stretch = np.cumsum(opens)
    returned = np.zeros(int(stretch[-1]) + 1, dtype=bool)
    returned[stretch[closes & ~stray & (depth == 0)]] = True
    returned[0] = False
    result: Array = returned[stretch] & ~stray
    return result


def _mirrored(seen: Sightings, chains: Chains, observed: Table, blind: Array) -> Pairs:
    """Without flags: the next thing on the CPU, the same way back, sooner than anything else happened around it."""
    first, last = chains.starts, chains.starts + chains.sizes - 1
    seq, before = seen.seq, seen.cpu_before
    by_end = np.argsort(seq[last])
    replies = np.flatnonzero(blind)
    wanted = before[first[replies]]
    at = np.minimum(np.searchsorted(seq[last], wanted, sorter=by_end), len(last) - 1)
    requests = by_end[at]
    found = (seq[last[requests]] == wanted) & ~seen.tx[last[requests]]
    requests, replies = requests[found], replies[found]
    wait = seen.time[first[replies]] - seen.time[last[requests]]
    idle_before = observed["_idle"][seen.rows[first[requests]]]
    fits = (before[first[requests]] < 0) | (wait < idle_before)
    fits &= wait < _idle_after(seen, last[replies])
    fits &= seen.length[first[replies]] == seen.length[first[requests]]
    tid = seen.tid[first]
    fits &= (tid[requests] == tid[replies]) | (tid[requests] < 0)
    requests, replies = requests[fits], replies[fits]
    way = chains.path[requests] * len(chains.example) + chains.path[replies]
    distinct, where = np.unique(way, return_inverse=True)
    kinds = np.array(
        [_way_back(seen, chains, *divmod(each, len(chains.example))) for each in distinct.tolist()], dtype=int
    )
    asker = _asks_by_name(observed, seen.rows[first[requests]])
    fits = (kinds[where] == MIRRORED) | ((kinds[where] == EITHER_WAY) & asker)
    requests, replies = requests[fits], replies[fits]
    return Pairs(requests, replies, np.zeros(len(requests), dtype=bool))


def _idle_after(seen: Sightings, at: Array) -> Array:
    """How long a CPU showed nothing after a hop, ns."""
    seq, before = seen.seq, seen.cpu_before
    order = np.argsort(before)
    place = np.minimum(np.searchsorted(before, seq[at], sorter=order), len(order) - 1)
    follower = order[place]
    idle: Array = np.where(before[follower] == seq[at], seen.time[follower] - seen.time[at], np.iinfo(np.int64).max)
    return idle


def _way_back(seen: Sightings, chains: Chains, request: int, reply: int) -> int:
    """Whether a path is the other's way backwards, and whether that way looks the same in both directions."""
    there, back = _walk(seen, chains.hops_of(request)), _walk(seen, chains.hops_of(reply))
    mirrored = [(dev, not tx) for dev, tx in reversed(there)]
    if back != mirrored:
        return OTHER_WAY
    return EITHER_WAY if there == mirrored else MIRRORED


def _walk(seen: Sightings, hops: slice) -> list[tuple[int, bool]]:
    return list(zip(seen.dev[hops].tolist(), seen.tx[hops].tolist(), strict=True))


def _asks_by_name(observed: Table, rows: Array) -> Array:
    askers = np.array([*(text.startswith(ASKERS) for text in observed.names["comm"].texts), False])
    result: Array = askers[observed["comm"][rows]]
    return result
