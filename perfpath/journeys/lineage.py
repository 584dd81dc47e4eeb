"""Which packet each packet was made of: clones, segments, fragments, retransmissions.

Strongest evidence first: the call stack of the hop it begins with (`causality`), then what the packets say
(`kinship`). What neither tells stays unknown; where bytes contradict a stack, nothing is told.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from perfpath.firstbytes import FirstBytes
    from perfpath.journeys.causality import Caused
    from perfpath.journeys.paths import Chains
    from perfpath.journeys.sightings import Sightings
    from perfpath.tables import Array, Table

REASONS = ("retransmission", "fragment", "segment", "copy")
RETRANSMISSION, FRAGMENT, SEGMENT, COPY = range(len(REASONS))
NONE = -1
SURE = ("retransmission", "fragment", "broadcast copy")
"""What the functions since the last device tell without its origin."""
NESTED = 4
HEADERS = 14
"""Bytes that a hop may be shorter than the one before without anything having been taken off its packet."""


@dataclass(slots=True)
class Lineage:
    """For each chain: parent, the chain it was made of, -1 for none known; reason: a code of `reasons`, -1 likewise.

    A reason without a parent: what it is is known, of what isn't.
    """

    parent: Array
    reason: Array
    reasons: tuple[str, ...]


def lineage(
    seen: Sightings,
    chains: Chains,
    observed: Table,
    *,
    caused: Caused | None,
    packets: FirstBytes | None,
    named: tuple[str, ...] = (),
) -> Lineage | None:
    """The lineage of all chains; None where nothing can tell. named: the reasons that `caused` numbers."""
    bytes_known = packets is not None and len(packets) > 0 and "packet" in observed
    if not len(chains.starts) or (caused is None and not bytes_known):
        return None
    count = len(chains.starts)
    found = Lineage(np.full(count, NONE), np.full(count, NONE), (*REASONS, *named))
    if caused is not None:
        _by_stacks(found, seen, chains, observed, caused)
    if bytes_known:
        from perfpath.journeys.kinship import by_bytes

        assert packets is not None  # noqa: S101 - bytes_known says so
        by_bytes(found, seen, chains, observed, packets)
    return found


def _by_stacks(found: Lineage, seen: Sightings, chains: Chains, observed: Table, caused: Caused) -> None:
    first = seen.rows[chains.starts]
    row, own, reason = _made_of(observed, caused, first)
    there = np.flatnonzero(row >= 0)
    parent = np.full(len(first), NONE)
    parent[there] = chain_at(seen, chains, observed, row[there])
    source = np.maximum(row, 0)
    sent = observed["event"][source] == observed.names["event"].find("net_dev_queue")
    by_driver = sent & ~seen.tx[chains.starts]
    mine = (parent >= 0) & (parent != np.arange(len(first))) & own & ~caused.made[first] & (by_driver | (reason >= 0))
    shorter = observed["len"][source].astype(np.int64) - seen.length[chains.starts] > HEADERS
    general = np.where(shorter, SEGMENT, COPY)
    found.parent[mine] = parent[mine]
    found.reason[mine] = np.where(reason[mine] >= 0, reason[mine] + len(REASONS), general[mine])
    alone = caused.alone[first]
    sure = np.array([*(name in SURE for name in found.reasons[len(REASONS) :]), False])[alone] & ~mine
    found.reason[sure] = alone[sure] + len(REASONS)


def _made_of(observed: Table, caused: Caused, first: Array) -> tuple[Array, Array, Array]:
    """For each of these rows (the row of another packet's event in whose course it happened, or -1, own, reason)."""
    address = observed["skbaddr"]
    row, own, reason = caused.row[first], caused.own[first], caused.reason[first]
    for _ in range(NESTED):  # events of the same packet between, such as its net_dev_start_xmit
        same = (row >= 0) & (address[row] == address[first])
        if not same.any():
            break
        inner = np.maximum(row, 0)
        own = np.where(same, own & caused.own[inner], own)
        reason = np.where(same, caused.reason[inner], reason)
        row = np.where(same, caused.row[inner], row)
    return np.where((row >= 0) & (address[row] == address[first]), NONE, row), own, reason


def chain_at(seen: Sightings, chains: Chains, observed: Table, rows: Array) -> Array:
    """The chain whose packet was worked on at each of these rows: that of its address's latest hop; -1 for none."""
    address = observed["skbaddr"]
    order = np.lexsort((seen.rows, address[seen.rows]))
    _, number = np.unique(np.concatenate((address[seen.rows], address[rows])), return_inverse=True)
    mine, theirs = number[: len(seen.rows)], number[len(seen.rows) :]
    span = len(observed) + 1
    at = np.searchsorted(mine[order] * span + seen.rows[order], theirs * span + rows, side="right") - 1
    hop = order[np.maximum(at, 0)]
    of_hop = np.repeat(np.arange(len(chains.starts)), chains.sizes)
    result: Array = np.where((at >= 0) & (mine[hop] == theirs), of_hop[hop], NONE)
    return result
