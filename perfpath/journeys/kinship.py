"""Which packets were made of which, by what they say: equal bytes, sequence numbers, IP ids and fragment offsets.

Only what begins in the middle of the host can be a copy, a segment or a fragment of what was seen before; what TCP
sends again begins where its first transmission did.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perfpath.journeys.lineage import COPY, FRAGMENT, NONE, RETRANSMISSION, SEGMENT
from perfpath.packets.decode import decode
from perfpath.packets.describe import headers_of
from perfpath.packets.identity import digests
from perfpath.packets.levels import innermost
from perfpath.packets.mixing import mixed, word
from perfpath.packets.transport import TCP
from perfpath.tables import Table

if TYPE_CHECKING:
    from perfpath.firstbytes import FirstBytes
    from perfpath.journeys.lineage import Lineage
    from perfpath.journeys.paths import Chains
    from perfpath.journeys.sightings import Sightings
    from perfpath.tables import Array

COPIED_NS = 10_000_000
"""A copy, a segment or a fragment begins at most this long after the packet it was made of was first seen."""
AGAIN_NS = 2_000_000_000
"""What is sent again later than this may be sequence numbers that came round."""
CHUNK = 1 << 15
SYN, FIN = 2, 1
HALF, TURN = 1 << 31, 1 << 32
_KEPT = (
    *("ethertype", "src_hi", "src_lo", "dst_hi", "dst_lo", "proto", "sport", "dport", "ip_id", "frag_offset"),
    *("more_fragments", "tcp_seq", "tcp_flags", "payload_len"),
)


def by_bytes(found: Lineage, seen: Sightings, chains: Chains, observed: Table, packets: FirstBytes) -> None:
    """Fill in what the first bytes tell of chains of which nothing is known yet; take back what they contradict."""
    number = observed["packet"][seen.rows]
    index = np.arange(len(seen))
    first = np.minimum.reduceat(np.where(number >= 0, index, len(seen)), chains.starts)
    known = np.flatnonzero(first < len(seen))
    if not len(known):
        return
    table = _read(packets, number[first[known]])
    start = chains.starts[known]
    place = seen.dev[start].astype(np.int64) * 2 + seen.tx[start]
    rows = {"time": seen.time[start], "place": place, "tx": seen.tx[start]}
    told = _Told(found, known, Table({**table.columns, **rows}, {}))
    told.contradicted()
    told.copies()
    told.fragments()
    told.again()
    told.segments()


def _read(packets: FirstBytes, numbers: Array) -> Table:
    """The columns that matter of these packets, and their digests."""
    parts: list[dict[str, Array]] = []
    for start in range(0, len(numbers), CHUNK):
        headers = headers_of(packets.take(numbers[start : start + CHUNK]))
        decoded = decode(headers)
        level, digest = innermost(decoded), digests(decoded, headers)
        part = {name: level[name] for name in _KEPT}
        parts.append(part | {"identity": digest.identity, "payload": digest.payload})
    return Table({name: np.concatenate([part[name] for part in parts]) for name in parts[0]}, {})


class _Told:
    """Chains with bytes. chain: their numbers; table: what they say, when and where they began."""

    def __init__(self, found: Lineage, chain: Array, table: Table) -> None:
        self.found = found
        self.chain = chain
        self.table = table
        self.flow = mixed(
            *(table[name] for name in ("src_hi", "src_lo", "dst_hi", "dst_lo")),
            word(table["sport"], 32) ^ word(table["dport"]) ^ word(table["proto"], 48),
        )

    def open(self) -> Array:
        """Rows of which nothing is known."""
        mask: Array = self.found.parent[self.chain] == NONE
        return mask

    def link(self, children: Array, parents: Array, reason: int) -> None:
        """Write down (rows) what was found, unless a better reason is known already."""
        chain = self.chain[children]
        self.found.parent[chain] = self.chain[parents]
        self.found.reason[chain] = np.where(self.found.reason[chain] == NONE, reason, self.found.reason[chain])

    def contradicted(self) -> None:
        """Take back parents that have bytes of their own which can't be the child's origin: another protocol."""
        row = np.full(len(self.found.parent), NONE)
        row[self.chain] = np.arange(len(self.chain))
        parent = self.found.parent[self.chain]
        of = np.where(parent >= 0, row[parent], NONE)
        both = np.flatnonzero(of >= 0)
        table = self.table
        other = (table["proto"][both] != table["proto"][of[both]]) & (table["frag_offset"][both] <= 0)
        other |= table["ethertype"][both] != table["ethertype"][of[both]]
        wrong = self.chain[both[other & (table["proto"][both] >= 0) & (table["proto"][of[both]] >= 0)]]
        self.found.parent[wrong] = self.found.reason[wrong] = NONE

    def copies(self) -> None:
        """The same bytes as a packet that began elsewhere a moment before."""
        table = self.table
        key = mixed(table["identity"], table["payload"])
        usable = np.flatnonzero((table["identity"] != 0) & ((table["ip_id"] > 0) | (table["proto"] < 0)))
        order = usable[np.lexsort((self.chain[usable], table["time"][usable], key[usable]))]
        if not len(order):
            return
        number = np.arange(len(order))
        begins = np.diff(key[order], prepend=~key[order][:1]) != 0
        origin = order[np.maximum.accumulate(np.where(begins, number, 0))]
        near = (table["time"][order] - table["time"][origin] < COPIED_NS) & (origin != order)
        near &= (table["place"][order] != table["place"][origin]) & self.open()[order]
        self.link(order[near], origin[near], COPY)

    def fragments(self) -> None:
        """Parts of one IP packet: of the whole, where that was seen, else linked to the first of them."""
        table = self.table
        part = (table["frag_offset"] > 0) | (table["more_fragments"] == 1)
        if not part.any():
            return
        rows = np.flatnonzero(table["ip_id"] > 0)
        addresses = (table[name][rows] for name in ("src_hi", "src_lo", "dst_hi", "dst_lo"))
        key = mixed(*addresses, word(table["ip_id"][rows], 16) ^ word(table["proto"][rows]))
        key = np.where(table["proto"][rows] >= 0, key, np.uint64(0))
        groups: dict[int, list[int]] = {}
        concerned = np.isin(key, key[part[rows]])
        for each, row in zip(key[concerned].tolist(), rows[concerned].tolist(), strict=True):
            groups.setdefault(each, []).append(row)
        unknown, time = self.open(), table["time"]
        for group in groups.values():
            for row in group:
                if unknown[row] and part[row] and (origin := self._whole(row, group, part, time)) != NONE:
                    self.link(np.array([row]), np.array([origin]), FRAGMENT)

    def _whole(self, row: int, group: list[int], part: Array, time: Array) -> int:
        """The packet that a fragment was made of, or the first fragment for it; -1 for none (or itself)."""
        offset = self.table["frag_offset"]
        near = [other for other in group if other != row and abs(int(time[other] - time[row])) < COPIED_NS]
        whole = [other for other in near if not part[other] and time[other] <= time[row]]
        if whole:
            return whole[-1] if len(whole) == 1 else NONE
        first = [
            other for other in near if offset[other] == 0 and self.table["place"][other] == self.table["place"][row]
        ]
        return first[0] if offset[row] > 0 and len(first) == 1 else NONE

    def _spans(self) -> tuple[Array, Array]:
        """TCP's (first sequence number, how many it takes); 0 of them for what carries nothing."""
        table = self.table
        tcp = (table["proto"] == TCP) & (table["tcp_seq"] >= 0) & (table["payload_len"] >= 0)
        flags = table["tcp_flags"]
        size = table["payload_len"] + ((flags & SYN) > 0) + ((flags & FIN) > 0)
        return table["tcp_seq"], np.where(tcp, size, 0)

    def again(self) -> None:
        """What a host's TCP sends again from where it sent it first."""
        seq, size = self._spans()
        rows = np.flatnonzero((size > 0) & self.table["tx"])
        self._within(rows, rows, seq, size, RETRANSMISSION)

    def segments(self) -> None:
        """What lies inside a longer packet that began elsewhere a moment before."""
        seq, size = self._spans()
        sent = np.flatnonzero((size > 0) & self.table["tx"])
        parts = np.flatnonzero((size > 0) & ~self.table["tx"] & self.open())
        self._within(parts, sent, seq, size, SEGMENT)

    def _within(self, children: Array, parents: Array, seq: Array, size: Array, reason: int) -> None:
        """Link what lies inside an earlier packet of its flow; each parent is the latest that begins no later."""
        if not len(children) or not len(parents):
            return
        again = reason == RETRANSMISSION
        place = word(self.table["place"]) if again else np.zeros(len(seq), np.uint64)
        _, group = np.unique(mixed(self.flow, place), return_inverse=True)
        relative = _unrolled(seq, group, parents)
        rank = np.empty(len(seq), np.int64)
        rank[np.lexsort((self.chain, self.table["time"]))] = np.arange(len(seq))
        if again:
            children = _behind(children, group, relative + size, rank)
        children = children[self.open()[children] & np.isin(group[children], group[parents])]
        order = parents[np.lexsort((rank[parents], relative[parents], group[parents]))]
        begin = group * (2 * TURN) + relative
        found = np.searchsorted(begin[order], begin[children], side="right") - 1
        for child, at in zip(children.tolist(), found.tolist(), strict=True):
            while at >= 0 and (rank[order[at]] >= rank[child] or begin[order[at]] > begin[child]):
                at -= 1  # noqa: PLW2901 - back to the latest that was there before
            other = int(order[at])
            if at < 0 or group[other] != group[child]:
                continue
            covers = relative[other] + size[other] >= relative[child] + size[child]
            near = self.table["time"][child] - self.table["time"][other] < (AGAIN_NS if again else COPIED_NS)
            if covers and near and (again or size[other] > size[child]):
                self.link(np.array([child]), np.array([other]), reason)


def _unrolled(seq: Array, group: Array, parents: Array) -> Array:
    """Sequence numbers counted from before the first of each flow."""
    _, first = np.unique(group[parents], return_index=True)
    base = np.zeros(int(group.max()) + 1, np.int64)
    base[group[parents[first]]] = seq[parents[first]] - HALF // 2
    relative: Array = (seq - base[group]) % TURN
    return relative


def _behind(rows: Array, group: Array, end: Array, rank: Array) -> Array:
    """Those of these rows that end no later than one of their flow did before."""
    order = rows[np.lexsort((rank[rows], group[rows]))]
    reached = np.maximum.accumulate(group[order] * (4 * TURN) + end[order])
    before = np.concatenate(([-1], reached[:-1]))
    result: Array = order[before >= group[order] * (4 * TURN) + end[order]]
    return result
