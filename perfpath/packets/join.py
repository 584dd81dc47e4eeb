"""Which packet-socket sighting belongs to which hop.

Each hop of the four tracepoints is seen once by the packet socket in its namespace, on the same CPU (net/core/dev.c):

- sent: net_dev_queue, then dev_queue_xmit_nit stamps and shows it;
- netif_rx: stamped first (net_timestamp_check in netif_rx_internal), then the tracepoint; shown later, with that stamp;
  Except what carries the time it was sent (TCP, from 5.18 on: skb->tstamp_type): that is stamped when it is shown;
  macvlan's copies keep the stamp of the packet;
- napi_gro_receive_entry, netif_receive_skb_entry: the tracepoint first, then stamped, unless it was stamped before:
  what a bridge or a tunnel passes up keeps the stamp of its first receipt in the namespace. Nothing else is received on
  the CPU between that tracepoint and the stamp: so a sighting from before the CPU's next hop shows a packet that was
  received anew, not one that was passed up; addresses are used again within microseconds.

So among the hops and sightings of one CPU, device, direction and length, in the order of time, a hop's sighting is the
next one after it, or the last one before it. Several hops in a row take as many sightings in a row, in their order
(queues are first in, first out); where the numbers differ, nobody knows which is whose, and none is taken.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from perfpath import tracepoints

if TYPE_CHECKING:
    from perfpath.tables import Array, Table

NEAR_NS = 200_000
"""A lone hop and a sighting that stands beside it with others are one packet's within this time."""
FAR_NS = 5_000_000
"""And where there are as many sightings as hops, within this time."""
SLACK_NS = 300
"""What the two clocks, each read at its own instruction, may differ by in the wrong direction."""
PASSED_UP_NS = 5_000_000
"""A packet that a bridge passes up was received so long ago at most."""

TABLE = 1 << 20
"""Numbers below this are told apart by a table."""

_EVER = np.iinfo(np.int64).max
_MAIN = tuple(event.name for event in tracepoints.MAIN)
_TX, _NETIF_RX, _HANDED_UP = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Joined:
    """sighting: for each event the row of its sighting, -1 for none. doubtful: hops that had several to choose from."""

    sighting: Array
    doubtful: Array


@dataclass(frozen=True, slots=True)
class _Entries:
    """Hops or sightings as they are compared. rows: in their table. place: device and direction. cpu: -1 unknown."""

    rows: Array
    place: Array
    length: Array
    cpu: Array
    time: Array

    def take(self, chosen: Array) -> _Entries:
        columns = (self.rows, self.place, self.length, self.cpu, self.time)
        return _Entries(*(column[chosen] for column in columns))


def join(events: Table, sightings: Table, no_hop: Array | None = None) -> Joined:
    """Join EVENTS to SIGHTINGS, both sorted by time and complete for the span they cover.

    no_hop: mask over SIGHTINGS, those that are certainly none's.
    """
    found = np.full(len(events), -1, np.int64)
    doubtful = np.zeros(len(events), bool)
    kind = _kinds(events)
    hops = np.flatnonzero((kind >= 0) & (events["dev"] >= 0) & (events["len"] > 0))
    if not len(hops) or not len(sightings):
        return Joined(found, doubtful)
    seen = _sightings(sightings, events)
    if no_hop is not None:
        seen = seen.take(np.flatnonzero(~no_hop[seen.rows]))
    kept = _kept(sightings["time_ns"])
    place = _place(events["dev"][hops].astype(np.int64), kind[hops] == _TX)
    length = events["len"][hops].astype(np.int64)
    shown = _Entries(hops, place, length, events["cpu"][hops].astype(np.int64), events["time_ns"][hops])
    split = bool((sightings["cpu"] >= 0).all())
    stamps = _stamps(shown, events["skbaddr"][hops], kind[hops], seen if split else None)
    mine, before, since = replace(shown, time=stamps.beside), stamps.before, stamps.since
    for same_cpu in (True, False) if split else (False,):
        left, rest = np.flatnonzero(found[hops] < 0), _unused(seen, found)
        pairs, unsure = _both_ways(mine.take(left), before[left], rest, same_cpu=same_cpu)
        early = (sightings["time_ns"][pairs] < since[left] - SLACK_NS) & ~kept[pairs]
        pairs[(pairs >= 0) & before[left] & early] = -1  # of a packet that was there before
        found[hops[left]] = pairs
        doubtful[hops[left]] = unsure
        late = np.flatnonzero((found[hops] < 0) & before)
        rest = _unused(seen, found)
        if len(late) and len(rest.rows):
            at, _ = _after(mine.take(late), rest, 1, same_cpu=same_cpu, alone=True)
            found[hops[late]] = np.where(at >= 0, rest.rows[at], -1)
    stamp = sightings["time_ns"][found[hops]]
    other = (found[hops] >= 0) & ((stamp < stamps.beside - SLACK_NS) | (stamp >= stamps.until)) & ~before
    found[hops[other]] = -1
    _once(found)
    return Joined(found, doubtful & (found < 0))


def _kinds(events: Table) -> Array:
    """Which of the four tracepoints each event is, -1 for none."""
    number = {name: at for at, name in enumerate(_MAIN)}
    kinds = np.array([*(number.get(text, -1) for text in events.names["event"].texts), -1], np.int8)
    result: Array = kinds[events["event"]]
    return result


@dataclass(frozen=True, slots=True)
class _Stamps:
    """When each hop's packet got its stamp.

    beside: the time of the event beside which that was. before: it was before that event. since: the time of the event
    before that one on its CPU. until: it was earlier, where that is certain.
    """

    beside: Array
    before: Array
    since: Array
    until: Array


def _stamps(hops: _Entries, address: Array, kind: Array, seen: _Entries | None) -> _Stamps:
    """hops: with the times of their events. seen: sightings, None where their CPUs aren't known."""
    by_cpu = np.lexsort((hops.time, hops.cpu))
    same_cpu = hops.cpu[by_cpu[1:]] == hops.cpu[by_cpu[:-1]]
    last, following = np.full(len(address), -1), np.full(len(address), _EVER)
    last[by_cpu[1:]] = np.where(same_cpu, hops.time[by_cpu[:-1]], -1)
    following[by_cpu[:-1]] = np.where(same_cpu, hops.time[by_cpu[1:]], _EVER)
    order = np.argsort(address, kind="stable")
    previous = np.concatenate((order[:1], order[:-1]))
    up = (address[order] == address[previous]) & (kind[order] != _TX) & (kind[previous] != _TX)
    up &= (hops.place[order] != hops.place[previous]) & (hops.cpu[order] == hops.cpu[previous])
    up &= hops.time[order] - hops.time[previous] < PASSED_UP_NS
    up[:1] = False
    if seen is not None and len(seen.rows) and up.any():
        maybe = order[up]
        up[up] = ~_anew(hops.take(maybe), following[maybe], seen)
    source = np.empty_like(order)
    source[order] = order[np.maximum.accumulate(np.where(up, 0, np.arange(len(order))))]
    passed_up = (source != np.arange(len(order))) & (kind[source] == _HANDED_UP)
    until = np.where(passed_up, following[source], _EVER)
    return _Stamps(hops.time[source], kind[source] == _NETIF_RX, last[source], until)


def _anew(hops: _Entries, following: Array, seen: _Entries) -> Array:
    """Which of these were received anew: a sighting was stamped between their event and the next hop of their CPU."""
    low, high = int(hops.time.min()) - SLACK_NS, int(hops.time.max()) + FAR_NS
    seen = seen.take(np.flatnonzero((seen.time >= low) & (seen.time <= high)))
    mine, theirs = _groups(hops, seen, same_cpu=True)
    span = high - low + 2 * FAR_NS  # groups never touch
    stamps = np.sort(theirs * span + (seen.time - low))
    since = mine * span + (hops.time - low) - SLACK_NS
    until = mine * span + (np.minimum(following, hops.time + FAR_NS) - low) - SLACK_NS
    anew: Array = np.searchsorted(stamps, since) < np.searchsorted(stamps, until)
    return anew


def _kept(stamp: Array) -> Array:
    """Which of these stamps (sorted) stand more than once: a packet, or its copies, kept them."""
    again: Array = np.diff(stamp, prepend=stamp[:1] - 1) == 0
    again[:-1] |= again[1:]
    return again


def _sightings(sightings: Table, events: Table) -> _Entries:
    """Sightings by the names that events have for interfaces; lengths as tracepoints report them."""
    known = events.names["dev"]
    codes = np.array([*(known.find(text) for text in sightings.names["dev"].texts), -1], np.int64)
    dev, tx = codes[sightings["dev"]], sightings["tx"]
    length = sightings["len"].astype(np.int64) - np.where(tx, 0, np.maximum(sightings["network"], 0))
    cpu, rows = sightings["cpu"].astype(np.int64), np.arange(len(sightings))
    everything = _Entries(rows, _place(dev, tx), length, cpu, sightings["time_ns"])
    return everything.take(np.flatnonzero((dev >= 0) & (length >= 0)))


def _place(dev: Array, tx: Array) -> Array:
    place: Array = dev * 2 + tx
    return place


def _unused(seen: _Entries, found: Array) -> _Entries:
    free = np.ones(int(seen.rows.max(initial=-1)) + 1, bool)
    free[found[found >= 0]] = False
    return seen.take(np.flatnonzero(free[seen.rows]))


def _both_ways(hops: _Entries, before: Array, seen: _Entries, *, same_cpu: bool) -> tuple[Array, Array]:
    """For each hop (its row of sightings or -1, whether it had several to choose from)."""
    pairs, unsure = np.full(len(hops.rows), -1, np.int64), np.zeros(len(hops.rows), bool)
    for sign in (1, -1):
        chosen = np.flatnonzero(before == (sign < 0))
        if len(chosen) and len(seen.rows):
            at, unsure[chosen] = _after(hops.take(chosen), seen, sign, same_cpu=same_cpu)
            pairs[chosen] = np.where(at >= 0, seen.rows[at], -1)
    return pairs, unsure


def _after(hops: _Entries, seen: _Entries, sign: int, *, same_cpu: bool, alone: bool = False) -> tuple[Array, Array]:
    """For each hop the number of the sighting after it (sign -1: before it) or -1, and whether that is unsure."""
    group_of_hop, group_of_seen = _groups(hops, seen, same_cpu=same_cpu)
    used = np.zeros(max(int(group_of_hop.max()), int(group_of_seen.max())) + 1, bool)
    used[group_of_hop] = True
    low, high = int(hops.time.min()), int(hops.time.max())
    wanted = np.flatnonzero(
        used[group_of_seen] & (seen.time >= low - 2 * FAR_NS) & (seen.time <= high + 2 * FAR_NS)
    )  # all others fit no hop
    if not len(wanted):
        return np.full(len(hops.rows), -1, np.int64), np.zeros(len(hops.rows), bool)
    seen, group_of_seen = seen.take(wanted), group_of_seen[wanted]
    low, high = min(low, int(seen.time.min())), max(high, int(seen.time.max()))
    span = high - low + 4 * FAR_NS  # groups never touch
    mine = group_of_hop * span + (hops.time - low if sign > 0 else high - hops.time) + FAR_NS
    theirs = group_of_seen * span + (seen.time - low if sign > 0 else high - seen.time) + FAR_NS
    order, by_time = np.argsort(mine, kind="stable"), np.argsort(theirs, kind="stable")
    mine, theirs, by_time = mine[order], theirs[by_time], wanted[by_time]
    at, choice = _runs(mine, theirs, mine // span, strict=alone or not same_cpu)
    result, unsure = np.full(len(mine), -1, np.int64), np.zeros(len(mine), bool)
    result[order] = np.where(at >= 0, by_time[at], -1)
    unsure[order] = choice & (at < 0)
    return result, unsure


def _groups(hops: _Entries, seen: _Entries, *, same_cpu: bool) -> tuple[Array, Array]:
    """The number of each entry's group: entries of different groups are never joined."""
    parts = [(hops.place, seen.place), (hops.length, seen.length)]
    if same_cpu:
        parts.append((hops.cpu + 1, seen.cpu + 1))
    number = np.zeros(len(hops.rows) + len(seen.rows), np.int64)
    for mine, theirs in parts:
        count, codes = _distinct(np.concatenate((mine, theirs)))
        number = number * count + codes
    return number[: len(hops.rows)], number[len(hops.rows) :]


def _distinct(values: Array) -> tuple[int, Array]:
    """(how many distinct values there are, for each its place among them); none is negative."""
    if int(values.max()) >= TABLE:  # a packet of 4 GiB, in a damaged file
        known, codes = np.unique(values, return_inverse=True)
        return len(known), codes
    used = np.zeros(int(values.max()) + 1, bool)  # a table is quicker than sorting
    used[values] = True
    return int(np.count_nonzero(used)), (np.cumsum(used) - 1)[values]


def _runs(mine: Array, theirs: Array, group: Array, *, strict: bool) -> tuple[Array, Array]:
    """For each moment of mine (sorted) the moment of theirs that follows it, by runs; and whether any did.

    group: of each of mine; a run is of one. strict: only where one stands alone beside one.
    """
    next_ = np.searchsorted(theirs, mine - SLACK_NS)
    first = np.flatnonzero((np.diff(next_, prepend=-1) != 0) | (np.diff(group, prepend=-1) != 0))
    size = np.diff(first, append=len(mine))
    run = np.repeat(np.arange(len(first)), size)
    rank = np.arange(len(mine)) - first[run]
    last = mine[first + size - 1]
    until = np.searchsorted(theirs, last + FAR_NS)
    limit = np.append(next_[first][1:], len(theirs))
    there = np.minimum(until, limit) - next_[first]
    lone = (size == 1) & (there >= 1)
    at = np.minimum(next_ + rank, max(len(theirs) - 1, 0))
    distance = theirs[at] - mine
    fits = (there == size)[run] & (distance <= FAR_NS)
    if strict:
        fits &= lone[run] & (distance <= NEAR_NS)
    else:
        fits |= lone[run] & (distance <= NEAR_NS)
    return np.where(fits, at, -1), (there > 0)[run]


def _once(found: Array) -> None:
    """What two hops claim is nobody's."""
    claimed = np.flatnonzero(found >= 0)
    values, counts = np.unique(found[claimed], return_counts=True)
    found[claimed[np.isin(found[claimed], values[counts > 1])]] = -1
