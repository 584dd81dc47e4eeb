"""What the other `net:*` events add to the hops: waits, driver time and rc. They never make a hop of their own.

A companion belongs to the latest hop before it of its skbaddr and device in its direction: the net_dev_xmit of an
outer device (a bridge, a tunnel) comes after the events of the inner ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perfpath import schema
from perfpath.journeys.observe import COMPANION, FREE, HOP_NAMES, IS_TX, hop_mask

if TYPE_CHECKING:
    from perfpath.tables import Array, Table

START, SENT, RECEIVED = "net_dev_start_xmit", "net_dev_xmit", "netif_receive_skb"
_SENDING = (START, SENT)


def folded(observed: Table, *, fallback: bool) -> dict[str, Array]:
    """queue_ns, xmit_ns, backlog_ns and rc for each row of an observed table; only those the recording has."""
    hop = hop_mask(observed["_kind"], fallback=fallback)
    added = ~hop & ((observed["_kind"] == COMPANION) | (observed["_kind"] < FREE))
    if not added.any():
        return {"rc": observed["rc"]} if fallback and "rc" in observed else {}
    events = observed.names["event"]
    code = {name: events.find(name) for name in (START, SENT, RECEIVED)}
    relevant = np.flatnonzero(hop | (added & np.isin(observed["event"], [c for c in code.values() if c >= 0])))
    owner = _owners(observed, relevant, hop, [code[name] for name in _SENDING])
    columns: dict[str, Array] = {}
    started, started_at = _times(observed, owner, code[START])
    if len(started):
        columns["queue_ns"] = _spans(observed, started, started_at - observed["time_ns"][started])
    sent, sent_at = _times(observed, owner, code[SENT])
    if len(sent):
        since = np.full(len(observed), -1, dtype=np.int64)
        since[started] = started_at
        known = since[sent] >= 0
        columns["xmit_ns"] = _spans(observed, sent[known], (sent_at - since[sent])[known])
        if "rc" in observed:
            columns["rc"] = np.full(len(observed), schema.UNKNOWN_RC, dtype=np.int32)
            columns["rc"][sent] = observed["rc"][_rows(owner, observed, code[SENT])]
    received, received_at = _times(observed, owner, code[RECEIVED])
    if len(received):
        columns["backlog_ns"] = _spans(observed, received, received_at - observed["time_ns"][received])
    return columns


def _owners(observed: Table, relevant: Array, hop: Array, sending: list[int]) -> Array:
    """For each row the row of the hop it belongs to, -1 for none."""
    kind = observed["_kind"][relevant]
    is_hop = hop[relevant]
    tx = np.where(is_hop, IS_TX[np.minimum(kind, len(HOP_NAMES) - 1)], np.isin(observed["event"][relevant], sending))
    key = (observed["skbaddr"][relevant], observed["dev"][relevant], tx)
    order = np.lexsort((relevant, key[2], key[1], key[0]))
    rows = relevant[order]
    group = np.zeros(len(rows), dtype=bool)
    group[:1] = True  # there may be no row: companions of other kinds, and no hop
    for part in key:
        group[1:] |= np.diff(part[order].astype(np.int64)) != 0
    number = np.arange(len(rows))
    first = np.maximum.accumulate(np.where(group, number, 0))
    latest = np.maximum.accumulate(np.where(is_hop[order], number, -1))
    owner = np.full(len(observed), -1, dtype=np.int64)
    owner[rows] = np.where(latest >= first, rows[latest], -1)
    owner[relevant[is_hop]] = -1
    return owner


def _rows(owner: Array, observed: Table, event: int) -> Array:
    """The rows of an event that belong to a hop; of several of one hop, the first only."""
    rows = np.flatnonzero((owner >= 0) & (observed["event"] == event)) if event >= 0 else np.zeros(0, dtype=np.int64)
    _, first = np.unique(owner[rows], return_index=True)
    result: Array = rows[first]
    return result


def _times(observed: Table, owner: Array, event: int) -> tuple[Array, Array]:
    """(rows of hops, times of their companions)."""
    rows = _rows(owner, observed, event)
    return owner[rows], observed["time_ns"][rows]


def _spans(observed: Table, rows: Array, spans: Array) -> Array:
    column = np.full(len(observed), -1, dtype=np.int64)
    column[rows] = spans
    return column
