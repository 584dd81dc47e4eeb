"""What became of each packet: dropped (why, where), delivered, answered, left; columns of JOURNEYS.

Only what an event or the topology says makes an outcome; the rest stays unknown. A free that is no drop (the
catalogue's alarms) is told apart here, and counted in the diagnostics.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from perfpath import schema
from perfpath.catalogue import entries
from perfpath.journeys import chains as chaining
from perfpath.journeys.endings import Endings, endings, worked_on
from perfpath.journeys.given_up import REASON as GIVEN_UP
from perfpath.journeys.given_up import given_up_at
from perfpath.journeys.observe import PROCESS, context_of
from perfpath.tables import Names, Table, concatenated, distinct

if TYPE_CHECKING:
    from perfpath.diagnostics import Diagnostics
    from perfpath.firstbytes import FirstBytes
    from perfpath.journeys.build import Roles
    from perfpath.journeys.causes import Cause, Causes
    from perfpath.journeys.engine import Pass
    from perfpath.journeys.losses import Losses
    from perfpath.journeys.topology import Topology
    from perfpath.netns.inventory import Inventory
    from perfpath.tables import Array

OUTCOMES = ("dropped", "delivered", "answered", "left", "merged", "copied")
DROPPED, DELIVERED, ANSWERED, MERGED = 0, 1, 2, 4
UNKNOWN = -1
LEAVING = {"": OUTCOMES.index("left"), "tun": OUTCOMES.index("copied"), "wireguard": OUTCOMES.index("left")}
"""Kinds of devices behind which a packet is no longer followed: physical ones, programs, encryption."""
HANDLED = -9  # in `_number` of a free that belongs to no chain: it was counted, and is no journey
LOSS_MARGIN_NS = 100_000
_TEXTS = ("outcome", "reason", "location", "hook", "end_netns_name", "end_comm")


NAMELESS = "{} of which nobody can tell whether they were dropped: the kernel's symbols are missing"
KEPT = "perfpath record keeps them"


def refused(cause: Cause) -> bool:
    """Whether a packet that ended so and was answered was dropped for certain: an ICMP error or a reset answered it."""
    return cause.unsure and cause.reason == "NO_SOCKET"


@dataclass(slots=True)
class Outcomes:
    """Keeps what the outcomes of one recording have in common."""

    causes: Causes
    diagnostics: Diagnostics
    packets: FirstBytes | None = None
    names: dict[str, Names] = field(default_factory=lambda: {name: Names() for name in _TEXTS})

    def __post_init__(self) -> None:
        for outcome in OUTCOMES:
            self.names["outcome"].code(outcome)

    def look(self, done: Pass, gap_ns: int) -> Endings:
        """The ends of a pass's packets; of those that no hop showed, only what are journeys of their own."""
        found = endings(done, self.causes, gap_ns)
        number = done.observed["_number"]
        new = number[found.unseen] != HANDLED
        real = np.array([self._is_drop(self.causes.known[c]) for c in found.unseen_cause.tolist()], dtype=bool)
        packets = done.observed["protocol"][found.unseen] != 0
        self._count_unseen(found.unseen_cause[new & packets & ~real], int((new & ~packets).sum()))
        keep = new & real & packets
        number[found.unseen[~keep]] = HANDLED
        found.unseen, found.unseen_cause = found.unseen[keep], found.unseen_cause[keep]
        return found

    def _is_drop(self, cause: Cause) -> bool:
        """Whether a free of a packet that no device saw is a drop, for certain."""
        place = cause.place
        return not cause.unsure and (place is None or not place.alarm)

    def _count_unseen(self, alarms: Array, no_packets: int) -> None:
        message = "freed messages that are no packets (unix and netlink sockets): not taken for drops"
        self._remark("no-packets", message, no_packets)
        for number, count in zip(*np.unique(alarms, return_counts=True), strict=True):
            self._alarm(self.causes.known[int(number)], int(count), replies=0)

    def _alarm(self, cause: Cause, count: int, *, replies: int) -> None:
        """Count frees that aren't called drops; so many of them were of replies, for certain."""
        place = cause.place
        if place is not None and place.alarm:
            sure = replies if place.only == "reply" else count
            message = f"frees in {cause.function} that are no drops: {place.alarm}"
            self._remark(f"no-drop-{cause.function}", message, sure)
            message = f"frees in {cause.function} that may be drops or not: nobody knows whether these answered a ping"
            self._remark(f"unsure-{cause.function}", message, count - sure)
        elif cause.unsure:
            quiet = count if entries.reason_of(cause.reason).harmless else replies
            self._remark("nameless-frees", NAMELESS.format("freed packets"), quiet, advice=KEPT)
            named = f"packets freed for {cause.reason}" if cause.reason else "packets freed without a reason"
            code = f"nameless-{cause.reason or 'drops'}"
            self._remark(code, NAMELESS.format(named), count - quiet, severity="warning", advice=KEPT)

    def _remark(self, code: str, message: str, count: int, *, severity: str = "info", advice: str = "") -> None:
        if count:
            self.diagnostics.note(code, message, severity=severity, count=count, advice=advice)

    def told(
        self, done: Pass, found: Endings, roles: Roles, chosen: Array, journeys: Table, *, topology: Topology | None
    ) -> Table:
        """JOURNEYS of the chosen chains with their outcomes. (The table's rows are in the order of `chosen`.)"""
        dropped, cause, read = found.dropped[chosen], found.cause[chosen], found.read[chosen]
        observed, path = done.observed, done.chains.path[chosen]
        outcome = self._by_device(done, topology)[path]
        outcome = self._taken(found.taken_cause[chosen], outcome)
        reached = np.where(done.complete[chosen], found.reached[chosen], -1)
        outcome[reached >= 0] = DELIVERED
        outcome[roles.reply[chosen] >= 0] = ANSWERED
        outcome[read >= 0] = DELIVERED
        freed = np.flatnonzero(cause >= 0)
        outcome[freed] = self._of_causes(cause[freed], roles.request[chosen][freed] >= 0, outcome[freed])
        merged = np.where(done.complete[chosen], found.merged[chosen], -1)
        outcome[merged >= 0] = MERGED
        ended = (dropped >= 0) & ((outcome == DROPPED) | ~self.causes.which("unsure", cause))
        event = np.where(ended, dropped, np.where(read >= 0, read, found.taken[chosen]))
        event = np.where(merged >= 0, merged, event)
        event = np.where((event < 0) & (outcome == DELIVERED), reached, event)
        real = (outcome == DROPPED) & (cause >= 0)
        reader = np.where((read >= 0) & (outcome == DELIVERED), read, -1)
        spots = [each.spots[-1] for each in done.located]
        end_netns = np.array([spot.netns for spot in spots], dtype=np.uint32)[path]
        names = np.array([self._code("end_netns_name", spot.name) for spot in spots], dtype=np.int32)[path]
        columns = {
            "outcome": outcome,
            **self._why(np.where(real, cause, -1)),
            "ended_ns": np.where(event >= 0, observed["time_ns"][event], -1),
            "end_netns": np.where(outcome >= 0, end_netns, 0),
            "end_netns_name": np.where(outcome >= 0, names, -1),
            **self._process(observed, reader),
        }
        return self._with(journeys, columns)

    def report(self, found: Endings, roles: Roles, chosen: Array) -> None:
        """Count the false alarms of journeys that are closed now."""
        cause = found.cause[chosen]
        for number, count in zip(*np.unique(cause[cause >= 0], return_counts=True), strict=True):
            each, mine = self.causes.known[int(number)], chosen[cause == number]
            reply = roles.request[mine] >= 0
            sure = int(np.count_nonzero((roles.reply[mine] >= 0) & ~reply)) if refused(each) else 0
            self._alarm(each, int(count) - sure, replies=int(np.count_nonzero(reply)))
            if not each.reason:
                message = "no reason recorded by this kernel for its drops (kernels from 5.17 on do)"
                self._remark("no-reasons", message, int(count))

    def unseen(self, done: Pass, found: Endings, losses: Losses, inventory: Inventory | None) -> Table:
        """JOURNEYS of packets that no device saw, with the numbers they have in `_number`."""
        observed, rows = done.observed, found.unseen
        time = observed["time_ns"][rows]
        context = context_of(observed["flags"][rows])
        threads = chaining.kernel_threads(observed.names["comm"], observed["comm"][rows], context)
        own = (context == PROCESS) & ~threads
        netns = np.where(own, observed["task_netns"][rows], 0).astype(np.uint32)
        netns = self._of_answers(done, found, netns)
        if "_where" in observed:
            netns = np.where(netns == 0, np.maximum(observed["_where"][rows], 0), netns).astype(np.uint32)
        netns = self._of_reports(done, found, netns)
        known = {} if inventory is None else {inum: space.name for inum, space in inventory.by_inum.items()}
        names = [self._code("end_netns_name", known.get(inum)) for inum in netns.tolist()]
        lost = losses.overlap(time - LOSS_MARGIN_NS, time, observed["cpu"][rows]) | losses.anywhere
        table = Table.filled(
            schema.JOURNEYS,
            len(rows),
            {},
            journey=observed["_number"][rows],
            skbaddr=observed["skbaddr"][rows],
            start_ns=time,
            end_ns=time,
            hops=np.zeros(len(rows), dtype=np.int32),
            complete=~lost,
        )
        columns = {
            "outcome": np.full(len(rows), DROPPED),
            **self._why(found.unseen_cause),
            "ended_ns": time,
            "end_netns": netns,
            "end_netns_name": np.array(names, dtype=np.int32),
            **self._process(observed, np.where(own, rows, -1)),
        }
        return self._with(table, columns)

    def _of_answers(self, done: Pass, found: Endings, netns: Array) -> Array:
        """The same namespaces, with those of answers that the kernel was making to what it had just received."""
        reaction = self.causes.flags("in_reaction")[found.unseen_cause] == 1
        made_here = self.causes.flags("made_here")[found.unseen_cause] == 1
        answers = np.flatnonzero((netns == 0) & reaction & made_here)
        chain = worked_on(done, found.unseen[answers])
        ends = np.array([each.spots[-1].netns for each in done.located], dtype=np.uint32)
        netns[answers[chain >= 0]] = ends[done.chains.path[chain[chain >= 0]]]
        return netns

    def _of_reports(self, done: Pass, found: Endings, netns: Array) -> Array:
        """The same, with those of packets whose neighbours didn't answer."""
        failed = np.array([each.reason == GIVEN_UP for each in self.causes.known] + [False])
        drops = np.concatenate([found.unseen[failed[found.unseen_cause]], found.dropped[failed[found.cause]]])
        mine = np.flatnonzero((netns == 0) & failed[found.unseen_cause])
        netns[mine] = given_up_at(done, found.unseen[mine], drops, self.packets)
        return netns

    def _of_causes(self, cause: Array, reply: Array, otherwise: Array) -> Array:
        """The outcome of packets that were freed for these causes. otherwise: what they'd be if they hadn't been."""
        result = otherwise.copy()
        for number in distinct(cause).tolist():
            each, mine = self.causes.known[number], cause == number
            place = each.place
            if place is not None and place.alarm and place.only != "unseen":
                known = OUTCOMES.index(place.outcome) if place.outcome else otherwise[mine]
                result[mine] = np.where(reply[mine] | (place.only != "reply"), known, UNKNOWN)
            elif each.unsure:
                sure = refused(each) & (otherwise[mine] == ANSWERED) & ~reply[mine]
                result[mine] = np.where(sure, DROPPED, otherwise[mine])
            else:
                result[mine] = DROPPED
        return result

    def _taken(self, cause: Array, otherwise: Array) -> Array:
        """The outcome of packets that were freed as they should be."""
        ends = [entries.ends().get(each.function, "") for each in self.causes.known]
        codes = np.array([*(OUTCOMES.index(end) if end else UNKNOWN for end in ends), UNKNOWN], dtype=otherwise.dtype)
        result: Array = np.where(codes[cause] >= 0, codes[cause], otherwise)
        return result

    def _by_device(self, done: Pass, topology: Topology | None) -> Array:
        """For each distinct path what its last device does with packets, where it sends them away."""
        if topology is None:
            return np.full(len(done.located), UNKNOWN, dtype=np.int8)
        return np.array([self._leaving(done, path, topology) for path in range(len(done.located))], dtype=np.int8)

    def _leaving(self, done: Pass, path: int, topology: Topology) -> int:
        hops = done.chains.hops_of(path)
        if not done.seen.tx[hops.stop - 1]:
            return UNKNOWN
        places = [topology.places[number] for number in done.located[path].spots[-1].places]
        kinds = {place.kind for place in places if not place.loopback}
        found = {LEAVING.get(kind, UNKNOWN) for kind in kinds}
        return found.pop() if len(found) == 1 else UNKNOWN

    def _why(self, cause: Array) -> dict[str, Array]:
        """reason, location and hook of causes; -1 for none."""
        used = distinct(cause[cause >= 0]).tolist()
        if not used:
            return dict.fromkeys(("reason", "location", "hook"), np.broadcast_to(np.int32(-1), len(cause)))
        columns: dict[str, Array] = {}
        for name in ("reason", "location", "hook"):
            codes = np.full(len(self.causes.known) + 1, -1, dtype=np.int32)  # the last is that of -1
            for number in used:
                codes[number] = self._code(name, getattr(self.causes.known[number], name))
            columns[name] = codes[cause]
        return columns

    def _process(self, observed: Table, rows: Array) -> dict[str, Array]:
        """end_pid and end_comm: who was running at these rows; -1 for none."""
        known = np.flatnonzero(rows >= 0)
        if not len(known):
            return dict.fromkeys(("end_pid", "end_comm"), np.broadcast_to(np.int32(-1), len(rows)))
        pid, comm = np.full(len(rows), -1, dtype=np.int32), np.full(len(rows), -1, dtype=np.int32)
        pid[known] = observed["pid"][rows[known]]
        codes = observed["comm"][rows[known]]
        texts = {code: self._code("end_comm", observed.names["comm"][code]) for code in distinct(codes).tolist()}
        comm[known] = [texts[code] for code in codes.tolist()]
        return {"end_pid": pid, "end_comm": comm}

    def _code(self, name: str, text: str | None) -> int:
        return self.names[name].code(text) if text else -1

    def _with(self, journeys: Table, columns: dict[str, Array]) -> Table:
        declared = {column.name: "int32" if column.dtype == "category" else column.dtype for column in schema.JOURNEYS}
        typed = {name: np.asarray(values).astype(declared[name], copy=False) for name, values in columns.items()}
        return Table({**journeys.columns, **typed}, {**journeys.names, **self.names})


def merged(journeys: Table, unseen: Table) -> Table:
    """Both, in the order of their numbers."""
    if not len(unseen):
        return journeys
    joined = concatenated([journeys, unseen])
    return joined.take(np.argsort(joined["journey"], kind="stable"))
