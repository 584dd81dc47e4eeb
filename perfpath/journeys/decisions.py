"""Which packet a decision is about: route lookups, neighbours, errors, bridges' and TCP's own words.

Most of these events name no packet. The one a CPU works on is known: netif_receive_skb begins the work on what was
received, and what a process or a timer sends is looked up before a device is handed it. A decision is joined only where
that is unambiguous, or where the packet's bytes say the same addresses; everything else is counted.
"""

from __future__ import annotations

import errno
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from perfpath.journeys import asides, neighbours, routes
from perfpath.journeys.firewall import Firewall
from perfpath.journeys.observe import DECISION
from perfpath.journeys.scene import Scene
from perfpath.journeys.verdicts import AGAIN, asks_on, error_name, gateway_of, key_of, told
from perfpath.tables import Names, Table

if TYPE_CHECKING:
    from perfpath.diagnostics import Diagnostics
    from perfpath.firstbytes import FirstBytes
    from perfpath.journeys.engine import Pass
    from perfpath.journeys.scene import Joined
    from perfpath.netns.inventory import Inventory
    from perfpath.tables import Array

HANDLED = -9  # in `_number`, as of frees that belong to no chain
PATIENCE_NS = 20_000_000
"""So long after a decision the packet may still come that it is about."""
ABOUT_NO_PACKET = ("neigh:neigh_update_done",)
UNREACHABLE = -errno.ENETUNREACH
"""What fib_lookup makes of the last table's EAGAIN (include/net/ip_fib.h)."""
NEXT_TABLE_NS, NEXT_ROWS = 100_000, 8


@dataclass(slots=True)
class Decisions:
    """Joins the decisions of one recording. names: `decisions`, whose texts are JSON arrays.

    Rows of observed tables get the columns `_decided` (a code of `decisions`, -1 for none) and `_where` (of a free, the
    inode of the namespace where its packet was given up on, 0 unknown).
    """

    diagnostics: Diagnostics
    packets: FirstBytes | None = None
    names: dict[str, Names] = field(default_factory=lambda: {"decisions": Names()})
    firewall: Firewall = field(default_factory=Firewall)
    said: list[dict[str, Any]] = field(default_factory=list)
    failed_at: neighbours.Places = field(default_factory=neighbours.Places)
    _gateways: dict[int, str | None] = field(default_factory=dict)
    _left: dict[int, str | None] = field(default_factory=dict)
    _sure: set[int] = field(default_factory=set)
    _parts: Names = field(default_factory=Names)
    _lists: dict[tuple[int, int], int] = field(default_factory=dict)

    def prepared(self, observed: Table) -> Table:
        """Rows that are new, with the columns that joining needs."""
        if "decision" not in observed and not self.firewall.heard:
            return observed
        if "decision" in observed:
            self._read(observed)
            self._look_at_gateways(observed)
        columns = {"_decided": np.full(len(observed), -1, np.int64), "_where": np.zeros(len(observed), np.int64)}
        return observed.extended(**columns)

    def join(self, observed: Table, inventory: Inventory | None, *, last: bool, fallback: bool) -> None:
        """Join what can be joined by now. last: nothing comes after these rows."""
        self._hear(observed, inventory, last=last)
        if "decision" not in observed:
            return
        rows = np.flatnonzero((observed["_kind"] == DECISION) & (observed["_number"] != HANDLED))
        if not len(rows):
            return
        scene = Scene(observed, rows, self.said, self.packets, fallback=fallback)
        self.failed_at.learn(scene)
        found = [*routes.joined(scene), *asides.joined(scene), *neighbours.joined(scene)]
        self._write(observed, found, inventory)
        self._place(observed, found, inventory)
        observed["_number"][[row for each in found for row in each.decision.tolist()]] = HANDLED
        left = rows[observed["_number"][rows] != HANDLED]
        now = int(observed["time_ns"][-1])
        over = left if last else left[observed["time_ns"][left] < now - PATIENCE_NS]
        observed["_number"][over] = HANDLED
        self._count(observed, over)

    def waiting(self, observed: Table) -> Array:
        """Which rows later joins need, beside those of open journeys: a mask."""
        if "decision" not in observed:
            return np.zeros(len(observed), bool)
        result: Array = (observed["_kind"] == DECISION) & (observed["_number"] != HANDLED)
        return result

    def told_of(self, hops: Table, done: Pass, chosen: Array) -> Table:
        """HOPS of the chosen chains of a pass with the column `decisions`."""
        if "_decided" not in done.observed:
            return self.named(hops)
        starts, sizes = done.chains.starts[chosen], done.chains.sizes[chosen]
        at = np.repeat(starts - np.cumsum(sizes) + sizes, sizes) + np.arange(int(sizes.sum()))
        return self.told(hops, done.observed, done.seen.rows[at])

    def told(self, hops: Table, observed: Table, rows: Array) -> Table:
        """HOPS (or JOURNEYS) with the column `decisions`. rows: of the observed table, for each of theirs."""
        if "_decided" not in observed:
            return self.named(hops)
        columns = {**hops.columns, "decisions": observed["_decided"][rows].astype(np.int32)}
        return Table(columns, {**hops.names, **self.names})

    def named(self, table: Table) -> Table:
        """A table with the names that the column has in others, with which it may be put together."""
        return Table(table.columns, {**table.names, **self.names})

    def _hear(self, observed: Table, inventory: Inventory | None, *, last: bool) -> None:
        """Join the verdicts of trace rules."""
        if "_decided" not in observed:
            return
        for row, text in self.firewall.join(observed, self.packets, inventory, last=last):
            key = (int(observed["_decided"][row]), self._parts.code(text))
            if key not in self._lists:
                self._lists[key] = self._appended(*key)
            observed["_decided"][row] = self._lists[key]
        if last:
            self.firewall.report(self.diagnostics)

    def _read(self, observed: Table) -> None:
        """Parse the texts that are new."""
        texts = observed.names["decision"].texts
        for code in range(len(self.said), len(texts)):
            self.said.append(json.loads(texts[code]))
            self._gateways[code] = gateway_of(self.said[code])

    def _look_at_gateways(self, observed: Table) -> None:
        """Note which lookups wrote their gateways themselves: those that differ from what the one before left there."""
        lookup = observed.names["event"].find("fib:fib_table_lookup")
        rows = np.flatnonzero(observed["event"] == lookup) if lookup >= 0 else np.zeros(0, np.int64)
        for cpu, code in zip(observed["cpu"][rows].tolist(), observed["decision"][rows].tolist(), strict=True):
            gateway = self._gateways[code]
            if gateway is not None and self._left.get(cpu) != gateway:
                self._sure.add(code)
            self._left[cpu] = gateway

    def _place(self, observed: Table, found: list[Joined], inventory: Inventory | None) -> None:
        """Where packets were given up on whose neighbour didn't answer."""
        for each in found:
            for row, free in (
                zip(each.decision.tolist(), each.anchor.tolist(), strict=True) if each.role == "failed" else ()
            ):
                dev, said = observed.names["dev"][observed["dev"][row]], self.said[observed["decision"][row]]
                observed["_where"][free] = self.failed_at.of(dev or "", key_of(said) or "", inventory)

    def _write(self, observed: Table, found: list[Joined], inventory: Inventory | None) -> None:
        """Append what was joined to what its anchors have, in the order of time."""
        if not found:
            return
        decision = np.concatenate([each.decision for each in found])
        anchor = np.concatenate([each.anchor for each in found])
        role = np.concatenate([np.full(len(each.decision), at) for at, each in enumerate(found)])
        order = np.lexsort((decision, anchor))
        parts = self._part_codes(observed, decision[order], role[order], [each.role for each in found], inventory)
        anchors = observed["_decided"]
        for row, part in zip(anchor[order].tolist(), parts.tolist(), strict=True):
            key = (int(anchors[row]), part)
            if key not in self._lists:
                self._lists[key] = self._appended(*key)
            anchors[row] = self._lists[key]

    def _appended(self, before: int, part: int) -> int:
        text = self._parts.texts[part]
        known = self.names["decisions"]
        return known.code(f"[{text}]" if before < 0 else f"{known.texts[before][:-1]}, {text}]")

    def _part_codes(
        self, observed: Table, rows: Array, role: Array, roles: list[str], inventory: Inventory | None
    ) -> Array:
        """The text of each decision, made once for each different one."""
        columns = np.stack([observed[name][rows] for name in ("event", "decision", "dev")] + [role], axis=1)
        distinct, inverse = np.unique(columns, axis=0, return_inverse=True)
        codes = []
        for event, code, dev, number in distinct.tolist():
            name, device = observed.names["event"][event] or "", observed.names["dev"][dev]
            sure = not name.startswith("fib:") or (code in self._sure and self._is_near(code, inventory))
            codes.append(self._parts.code(told(name, roles[number], device, self.said[code], gateway=sure)))
        result: Array = np.array(codes, np.int64)[inverse.reshape(-1)]
        return result

    def _asked_on(self, observed: Table, row: int, said: dict[str, Any]) -> bool:
        """Whether the same was asked of another table then: the answer there counts."""
        later = slice(row + 1, row + 1 + NEXT_ROWS)
        same = (observed["_kind"][later] == DECISION) & (observed["tid"][later] == observed["tid"][row])
        same &= observed["time_ns"][later] - observed["time_ns"][row] < NEXT_TABLE_NS
        return any(
            self.said[code].get("dst") == said.get("dst") and self.said[code].get("tb_id") != said.get("tb_id")
            for code in observed["decision"][later][same].tolist()
        )

    def _is_near(self, code: int, inventory: Inventory | None) -> bool:
        """Whether a lookup's gateway can be reached by the device it chose: what the kernel left there can't."""
        gateway, dev = self._gateways[code], str(self.said[code].get("name"))
        return gateway is not None and inventory is not None and bool(neighbours.near(dev, gateway, inventory))

    def _count(self, observed: Table, rows: Array) -> None:
        """Count what belongs to no packet for certain; lookups that failed are worth a warning."""
        names = observed.names["event"]
        for event, count in zip(*np.unique(observed["event"][rows], return_counts=True), strict=True):
            if names[event] not in ABOUT_NO_PACKET:
                self.diagnostics.note(
                    "decisions-apart",
                    "decisions that belong to no packet for certain, or to none at all",
                    severity="info",
                    count=int(count),
                    example=f"{names[event]}: {int(count)}",
                )
        for row in rows.tolist():
            said = self.said[observed["decision"][row]]
            if (names[observed["event"][row]] or "").startswith("fib") and said.get("iif") == 1:
                self._failed(observed, row, said)

    def _failed(self, observed: Table, row: int, said: dict[str, Any]) -> None:
        error = int(said.get("err", 0))
        if error == AGAIN and not self._asked_on(observed, row, said):
            error = UNREACHABLE
        if error and not asks_on(error_name(error), said.get("tb_id"), str(said.get("dst"))):
            who = observed.names["comm"][observed["comm"][row]] or "?"
            self.diagnostics.note(
                "no-route",
                "route lookups that failed, so that no packet was made",
                example=f"{who} to {said.get('dst')}: {error_name(error)}",
                advice="ip route get ADDRESS, in the namespace of that process",
            )
