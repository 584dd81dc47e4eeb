"""Which journey answers which, by what the packets say: stronger than where and when they were seen.

A request is looked at where it ended and a reply where it began: that is one device, on one side of every NAT. Of one
flow there, in the order of time, a reply answers the latest packet of the other direction, if its content says so
(`packets.compare.answers`): an echo the one of its number, TCP what it acknowledges, ARP and neighbour discovery the
question. UDP says nothing of that kind; its reply is paired only where a single packet waited for one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from perfpath.journeys.pair import Pairs, ends_of
from perfpath.packets.compare import answers
from perfpath.packets.decode import decode
from perfpath.packets.describe import headers_of
from perfpath.packets.ethernet import ARP
from perfpath.packets.identity import flows
from perfpath.packets.levels import innermost
from perfpath.packets.mixing import NONE, mixed, word
from perfpath.packets.transport import ICMP, ICMP6, UDP
from perfpath.packets.truth import FALSE, TRUE

if TYPE_CHECKING:
    from perfpath.firstbytes import FirstBytes
    from perfpath.journeys.paths import Chains
    from perfpath.journeys.sightings import Sightings
    from perfpath.tables import Array, Table

FORWARD, BACK, NEITHER = 0, 1, 2
ERRORS = {4: (3, 4, 5, 11, 12), 6: (1, 2, 3, 4)}
"""ICMP types that report on a packet: they are no answer, and yet caused by it."""


@dataclass(slots=True)
class _Ends:
    """Packets (PACKETS) at one end of some chains. dev: code of the device there; time: ns."""

    table: Table
    dev: Array
    time: Array

    def key(self) -> Array:
        """What both packets of an exchange share there, NONE where too little is known."""
        flow = flows(self.table)
        seq = np.where(self.table["icmp_id"] >= 0, self.table["icmp_seq"], -1)
        return np.where(flow != NONE, mixed(flow, word(seq, 32) ^ word(self.dev)), NONE)

    def way(self) -> Array:
        """FORWARD or BACK: packets of one flow with different ways go in opposite directions."""
        table = self.table
        order = np.zeros(len(table), np.int8)
        for low, high in (("src_hi", "dst_hi"), ("src_lo", "dst_lo"), ("sport", "dport")):
            larger = np.where(table[low] < table[high], 1, np.where(table[low] > table[high], 2, 0))
            order = np.where(order == 0, larger, order)
        way = np.select([order == 1, order == 2], [FORWARD, BACK], NEITHER)
        asks = np.isin(table["icmp_type"], (8, 128, 135))
        asked = np.isin(table["icmp_type"], (0, 129, 136)) & np.isin(table["proto"], (ICMP, ICMP6))
        arp = table["ethertype"] == ARP
        return np.select([arp, asks, asked], [np.where(table["arp_op"] == 1, FORWARD, BACK), FORWARD, BACK], way)


def with_contents(pairs: Pairs, seen: Sightings, chains: Chains, observed: Table, packets: FirstBytes | None) -> Pairs:
    """The pairs that contents tell, and of those found otherwise the ones that contents don't contradict."""
    if packets is None or not len(packets) or "packet" not in observed or not len(chains.starts):
        return pairs
    number = observed["packet"][seen.rows]
    known, ended, begun = _ends(number, seen, chains, packets)
    if not len(known):
        return pairs
    asked, replies = _matched(ended, begun)
    place = np.full(len(chains.starts), -1, np.int64)
    place[known] = np.arange(len(known))
    kept = pairs.take(_uncontradicted(pairs, place, ended.table, begun.table))
    asked, replies = known[asked], known[replies]
    free = ~np.isin(kept.request, asked) & ~np.isin(kept.reply, replies)
    kept = kept.take(np.flatnonzero(free))
    return Pairs(
        np.concatenate((asked, kept.request)),
        np.concatenate((replies, kept.reply)),
        np.concatenate((np.zeros(len(asked), bool), kept.direct)),
    )


def _ends(number: Array, seen: Sightings, chains: Chains, packets: FirstBytes) -> tuple[Array, _Ends, _Ends]:
    """(chains with bytes, their packets where they ended, and where they began)."""
    index, there = np.arange(len(seen)), number >= 0
    last = np.maximum.reduceat(np.where(there, index, -1), chains.starts)
    first = np.minimum.reduceat(np.where(there, index, len(seen)), chains.starts)
    known = np.flatnonzero(last >= 0)
    ends = ends_of(seen, chains)
    received, sent = ends.received[known], ends.sent[known]
    ended = _Ends(read_packets(packets, number[last[known]]), seen.dev[received], seen.time[ends.last[known]])
    begun = _Ends(read_packets(packets, number[first[known]]), seen.dev[sent], seen.time[ends.first[known]])
    return known, ended, begun


def read_packets(packets: FirstBytes, numbers: Array) -> Table:
    """What the bytes of these packets say, of the innermost one each."""
    return innermost(decode(headers_of(packets.take(numbers))))


def _matched(ended: _Ends, begun: _Ends) -> tuple[Array, Array]:
    """Rows of requests and of their replies."""
    count = len(ended.time)
    key = np.concatenate((ended.key(), begun.key()))
    time = np.concatenate((ended.time, begun.time))
    way = np.concatenate((ended.way(), begun.way()))
    order = np.lexsort((time, key))
    key, way, row, asks = key[order], way[order], order % count, order < count
    position = np.arange(len(order))
    group = np.maximum.accumulate(np.where(np.diff(key, prepend=~key[:1]) != 0, position, 0))
    found: list[tuple[Array, Array]] = []
    for there, back in ((FORWARD, BACK), (BACK, FORWARD)):
        question, answer = asks & (way == there), ~asks & (way == back) & (key != NONE)
        latest = np.maximum.accumulate(np.where(question, position, -1))
        before = np.concatenate(([-1], np.maximum.accumulate(np.where(answer, position, -1))[:-1]))
        since = np.cumsum(question) - np.where(before >= 0, np.cumsum(question)[before], 0)
        at = np.flatnonzero(answer & (latest >= group))
        at = at[latest[at] > before[at]]  # each question once: the first answer takes it
        single = since[at] - np.where(before[at] >= group[at], 0, _before_group(question, group[at], before[at])) == 1
        requests, replies = row[latest[at]], row[at]
        says = answers(ended.table.take(requests), begun.table.take(replies)) == TRUE
        good = says & (single | (ended.table["proto"][requests] != UDP)) & (requests != replies)
        found.append((requests[good], replies[good]))
    return np.concatenate([each[0] for each in found]), np.concatenate([each[1] for each in found])


def _before_group(question: Array, group: Array, before: Array) -> Array:
    """How many questions were counted that belong to groups before this one."""
    total = np.concatenate(([0], np.cumsum(question)))
    counted: Array = total[group] - np.where(before >= 0, total[before + 1], 0)
    return counted


def _uncontradicted(pairs: Pairs, place: Array, ended: Table, begun: Table) -> Array:
    """Rows of the pairs whose contents don't say that one isn't the other's answer."""
    request, reply = place[pairs.request], place[pairs.reply]
    both = np.flatnonzero((request >= 0) & (reply >= 0))
    keep = np.ones(len(pairs.request), bool)
    asked, answer = ended.take(request[both]), begun.take(reply[both])
    wrong = answers(asked, answer) == FALSE
    wrong &= are_reports(asked) | ~are_reports(answer)
    keep[both[wrong]] = False
    return np.flatnonzero(keep)


def are_reports(table: Table) -> Array:
    """Which packets are ICMP errors: about such a one there is no other (RFC 1122, 3.2.2)."""
    found = np.zeros(len(table), bool)
    for family, types in ERRORS.items():
        found |= (table["family"] == family) & np.isin(table["icmp_type"], types)
    return found
