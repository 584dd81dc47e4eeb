"""Which packet a verdict of the user's own nftables trace is about: by the namespace, the interface and the bytes.

A trace's message has the packet's headers as the hook saw them, and one number for the packet through all hooks. What
routers change (TTL, TOS, checksum) is not compared. Where two packets fit, or none, the verdict is counted instead.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from perfpath.journeys.nearest import before
from perfpath.journeys.observe import HOP_NAMES, IS_TX, hop_mask

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfpath.diagnostics import Diagnostics
    from perfpath.firstbytes import FirstBytes
    from perfpath.netns.inventory import Inventory
    from perfpath.tables import Array, Table

NETWORK = np.array([0, 2, 3, 4, 5, 6, 7, 9, *range(12, 20)])  # of an IPv4 header, what no router changes
NETWORK6 = np.array([*range(4, 7), *range(8, 40)])
TRANSPORT = 4  # bytes: ports, or ICMP's type, code and checksum
BEFORE_NS, AFTER_NS = 200_000_000, 20_000_000
"""A verdict is told of at most so long after a packet was received, and so long before one is handed to a device."""
WORKING_NS = 1_000_000
PATIENCE_NS = 500_000_000
SHOWN = ("family", "table", "chain", "handle", "rule", "verdict")


@dataclass(slots=True)
class Firewall:
    """Verdicts that wait for their packets. heard: whether there ever were any."""

    heard: bool = False
    waiting: list[dict[str, Any]] = field(default_factory=list)
    apart: int = 0

    def hear(self, verdicts: Sequence[dict[str, Any]]) -> None:
        """Take some more, in their order."""
        self.heard = self.heard or bool(verdicts)
        self.waiting += verdicts

    def join(
        self, observed: Table, packets: FirstBytes | None, inventory: Inventory | None, *, last: bool
    ) -> list[tuple[int, str]]:
        """(row of a hop, what to say of it) of those whose packets are there; others wait, or are counted."""
        if not self.waiting or not len(observed):
            return []
        now = int(observed["time_ns"][-1])
        found: list[tuple[int, str]] = []
        left: list[dict[str, Any]] = []
        rows: dict[tuple[int, int], int] = {}
        for verdict in self.waiting:
            key = (verdict["netns"], verdict["id"])
            row = _row(observed, packets, verdict, inventory) if verdict["network"] else -1
            row = rows.get(key, -1) if row < 0 else row
            if row >= 0:
                rows[key] = row
                found.append((row, _said(verdict)))
            elif last or verdict["time_ns"] < now - PATIENCE_NS:
                self.apart += 1
            else:
                left.append(verdict)
        self.waiting = left
        return found

    def report(self, diagnostics: Diagnostics) -> None:
        """Count what belongs to no packet that was seen."""
        if self.apart:
            diagnostics.note(
                "verdicts-apart",
                "verdicts of trace rules that belong to no hop for certain",
                severity="info",
                count=self.apart,
                advice="they are joined by packets' bytes: --packets auto records those",
            )
            self.apart = 0


def _said(verdict: dict[str, Any]) -> str:
    values = {name: verdict.get(name) or None for name in SHOWN}
    return json.dumps({"kind": "firewall", "type": verdict["kind"]} | values)


def _row(observed: Table, packets: FirstBytes | None, verdict: dict[str, Any], inventory: Inventory | None) -> int:
    """The only hop that the headers of a verdict fit; -1 for none, or several."""
    if packets is None or "packet" not in observed:
        return -1
    time = observed["time_ns"]
    span = slice(*np.searchsorted(time, [verdict["time_ns"] - BEFORE_NS, verdict["time_ns"] + AFTER_NS]).tolist())
    kind = observed["_kind"][span]
    tx = not verdict["iif"]
    rows = np.flatnonzero(hop_mask(kind, fallback=False) & (IS_TX[np.minimum(kind, len(HOP_NAMES) - 1)] == tx))
    rows += span.start
    fits = (observed["netns"][rows] == verdict["netns"]) & (observed["packet"][rows] >= 0)
    fits &= observed["ifindex"][rows] == (verdict["oif"] if tx else verdict["iif"])
    exact = rows[fits]
    if len(exact):
        exact = exact[_same(packets.take(observed["packet"][exact]), verdict)]
    if not len(exact) and not tx:
        exact = _by_the_hop_before(observed, rows, packets, verdict, inventory)
    return int(exact[0]) if len(exact) == 1 else -1


def _by_the_hop_before(
    observed: Table, rows: Array, packets: FirstBytes, verdict: dict[str, Any], inventory: Inventory | None
) -> Array:
    """Hops at the verdict's device that have no bytes of their own, where those of the hop before are the verdict's."""
    device = None if inventory is None else inventory.by_index.get((verdict["netns"], verdict["iif"]))
    code = -2 if device is None else observed.names["dev"].find(device.name)
    rows = rows[(observed["dev"][rows] == code) & (observed["packet"][rows] < 0)]
    if not len(rows):
        return rows
    hops = np.flatnonzero(hop_mask(observed["_kind"], fallback=False))
    found = before(rows, observed["skbaddr"][rows], hops, observed["skbaddr"][hops])
    last = np.where(found >= 0, hops[found], -1)
    near = (last >= 0) & (observed["time_ns"][rows] - observed["time_ns"][last] < WORKING_NS)
    near &= observed["packet"][last] >= 0
    rows, last = rows[near], last[near]
    result: Array = rows[_same(packets.take(observed["packet"][last]), verdict)] if len(rows) else rows
    return result


def _same(packets: Array, verdict: dict[str, Any]) -> Array:
    """Which packets' headers (PACKET[n]) are those of a verdict."""
    network, transport = bytes.fromhex(verdict["network"]), bytes.fromhex(verdict["transport"])
    version = network[0] >> 4 if network else 0
    size = {4: 20, 6: 40}.get(version, 0)
    start = packets["network"].astype(np.int64)
    start[packets["layer"] == 2] = 14
    reach = packets["raw"].shape[1] - 64
    good: Array = (start >= 0) & (start <= reach) & (size > 0) & (len(network) >= size)
    if not good.any():
        return good
    header = (network[0] & 15) * 4 if version == 4 else 40
    at = np.where(good, start, 0)[:, None]
    which = NETWORK if version == 4 else NETWORK6
    raw = packets["raw"]
    good &= (np.take_along_axis(raw, at + which, 1) == np.frombuffer(network, np.uint8)[which]).all(axis=1)
    behind = np.arange(min(TRANSPORT, len(transport))) + header
    good &= (np.take_along_axis(raw, at + behind, 1) == np.frombuffer(transport, np.uint8)[: len(behind)]).all(axis=1)
    return good
