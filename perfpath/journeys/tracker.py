"""EVENTS -> HOPS -> JOURNEYS, all at once or batch by batch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from perfpath import tracepoints
from perfpath.journeys import engine, rules
from perfpath.journeys.build import EVIDENCE, Builder, Roles
from perfpath.journeys.causality import Stacks
from perfpath.journeys.causes import Causes
from perfpath.journeys.chains import NO_ORIGIN
from perfpath.journeys.decisions import Decisions
from perfpath.journeys.engine import keep
from perfpath.journeys.infer import Inference
from perfpath.journeys.locate import INFERRED, Locator
from perfpath.journeys.losses import Losses
from perfpath.journeys.observe import Observer
from perfpath.journeys.outcomes import HANDLED, Outcomes, merged
from perfpath.journeys.pair import first_of_each
from perfpath.journeys.settle import BY_BYTES, BY_STACK
from perfpath.journeys.sightings import OF_ENDINGS
from perfpath.journeys.steps import Steps
from perfpath.journeys.topology import Topology
from perfpath.tables import concatenated, narrow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfpath.diagnostics import Diagnostics
    from perfpath.firstbytes import FirstBytes
    from perfpath.journeys.endings import Endings
    from perfpath.journeys.engine import Pass
    from perfpath.netns.inventory import Inventory
    from perfpath.symbols import Symbols
    from perfpath.tables import Array, Table


@dataclass(frozen=True, slots=True)
class Options:
    """How chains are cut.

    gap_ns: two sightings of one skbaddr further apart than this are two packets.
    reply_ns: a reply begins at most this long after its request ended.
    monotonic: the events' times are CLOCK_MONOTONIC, as those of the inventory (Info.clockid is 1): interfaces count
        only while they existed.
    symbols: names of kernel addresses. stacks: the recording's kernel stacks by number; they may grow.
    packets: the first bytes of its packets by number; they may grow.
    verdicts: what trace rules of nftables told while it was recorded (perfpath.journeys.firewall).
    """

    gap_ns: int = 1_000_000_000
    reply_ns: int = 10_000_000
    monotonic: bool = False
    symbols: Symbols | None = field(default=None, compare=False)
    stacks: Sequence[tuple[int, ...]] = field(default=(), compare=False, repr=False)
    packets: FirstBytes | None = field(default=None, compare=False, repr=False)
    verdicts: Sequence[dict[str, Any]] = field(default=(), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Result:
    """HOPS (sorted by journey, hop) and JOURNEYS (sorted by journey)."""

    hops: Table
    journeys: Table

    def nothing(self) -> Result:
        """A result of the same columns without rows."""
        return Result(self.hops.take(slice(0, 0)), self.journeys.take(slice(0, 0)))


@dataclass(frozen=True, slots=True)
class Update:
    """What a batch of events brought.

    closed: journeys that can't grow any more, each given once. open: all journeys that still may, as they are now.
    settled_ns: all hops before this time are of journeys that were closed by now, and can be put in order.
    A journey keeps its number from one update to the next; its hops only grow (places may become known later).
    """

    closed: Result
    open: Result
    settled_ns: int = -(1 << 62)


_EVER = np.iinfo(np.int64).max
_UNASKED, _NONE = -2, -1  # in `_reply` and `_request`: not decided yet; decided, and there is none
# Columns that a journey's first row carries from pass to pass, and what they hold before the first.
_KEPT = {"_number": -1, "_reply": _UNASKED, "_request": _UNASKED, "_begins": 0, "_rule": -1, "_origin": NO_ORIGIN}
_KEPT |= {"_parent": -1, "_lineage": -1}

AMBIGUOUS = "ambiguous-place"
PLACED_BY_SOCKETS = "record with --packets socket, which settles it"
PAST_THE_SOCKETS = (
    "the packets' bytes were recorded, but not of these: in a namespace that had just been made, or under load"
)
_SPARSE = 8
MIN_ROWS = 16_384
"""So many rows are worked through at once whatever is held already; a longer stretch waits for as many new ones."""


class Tracker:
    """Follows packets through a stream of EVENTS.

    inventory: None where nobody knows the topology. The diagnostics also carry the losses that make journeys
    incomplete: they may grow between calls.

    A journey is closed when nothing that may still come can be part of it, answer it, or change what it was paired
    with: `gap_ns` and twice `reply_ns` after its last hop. So many nanoseconds of events are held.
    """

    def __init__(self, inventory: Inventory | None, diagnostics: Diagnostics, options: Options | None = None) -> None:
        self._options = options or Options()
        self._diagnostics = diagnostics
        self.know(inventory)
        self._observer = Observer(self._options.reply_ns)
        self._builder = Builder()
        self._inference = Inference()
        self._steps = Steps(self._options.symbols, self._options.stacks, diagnostics)
        self._stacks = Stacks(self._options.symbols, self._options.stacks)
        causes = Causes(self._options.symbols, self._options.stacks)
        self._outcomes = Outcomes(causes, diagnostics, self._options.packets)
        self._decisions = Decisions(diagnostics, self._options.packets)
        self.hear(self._options.verdicts)
        self._held: Table | None = None
        self._new: list[Table] = []
        self._next = 0
        self._open: Result | None = None
        self._settled_ns = 0

    def feed(self, events: Table, *, soon: bool = False) -> Update:
        """Take the next EVENTS in time order. soon: there is time to work through them now, however many are held."""
        self._new.append(self._decisions.prepared(_started(self._observer.observe(events))))
        waiting = sum(len(table) for table in self._new)
        held = 0 if self._held is None else len(self._held)
        if not soon and self._open is not None and waiting < held and held + waiting > MIN_ROWS:
            nothing = np.zeros(0, dtype=np.int64)
            closed = Result(self._open.hops.take(nothing), self._open.journeys.take(nothing))
            return Update(closed, self._open, self._settled_ns)
        rows = self._rows()
        now = int(rows["time_ns"][-1]) if len(rows) else 0
        closed, self._open = self._pass(rows, now - self._options.gap_ns)
        self._settled_ns = int(self._open.hops["time_ns"].min(initial=now))
        return Update(closed, self._open, self._settled_ns)

    def hear(self, verdicts: Sequence[dict[str, Any]]) -> None:
        """Take verdicts of trace rules that came meanwhile; they are joined with the next events."""
        self._decisions.firewall.hear(verdicts)

    def know(self, inventory: Inventory | None, *, monotonic: bool = False) -> None:
        """Go on with what is known by now of the topology: journeys still open are placed anew.

        monotonic: what `Options.monotonic` says, for a stream that told its clock only now.
        """
        topology = None if inventory is None else Topology(inventory, timed=monotonic or self._options.monotonic)
        self._locator = Locator(topology)

    def close(self) -> Result:
        """The end of the stream: all journeys that were still open."""
        return self._pass(self._rows(), _EVER)[0]

    def _rows(self) -> Table:
        tables = ([] if self._held is None else [self._held]) + self._new
        self._new = []
        if not tables:
            from perfpath import schema
            from perfpath.tables import Names, Table

            names = {column.name: Names() for column in schema.EVENTS if column.dtype == "category"}
            empty = self._observer.observe(Table.filled(schema.EVENTS, 0, names))
            tables = [self._decisions.prepared(_started(empty))]
        return concatenated(tables)

    def _pass(self, rows: Table, settled_ns: int) -> tuple[Result, Result]:
        """(closed, open) journeys; keeps the rows of the open ones. settled_ns: no hop before it can get another."""
        options, fallback = self._options, self._observer.fallback
        topology = self._locator.topology
        inventory = None if topology is None else topology.inventory
        self._decisions.join(rows, inventory, last=settled_ns == _EVER, fallback=fallback)
        done = engine.run(
            rows,
            self._locator,
            Losses(self._diagnostics.losses),
            gap_ns=options.gap_ns,
            reply_ns=options.reply_ns,
            fallback=fallback,
            inference=self._inference,
            packets=options.packets,
            stacks=self._stacks,
        )
        ends = self._outcomes.look(done, options.gap_ns)
        done.seen.forget(OF_ENDINGS)
        number = self._numbers(done, ends.unseen)
        roles = self._roles(done, number, settled_ns)
        order, ready = _ascending(number), np.ones(len(number), dtype=bool)
        if settled_ns != _EVER:
            ready = done.seen.time[done.chains.starts + done.chains.sizes - 1] < settled_ns - 2 * options.reply_ns
        closed = self._result(done, ends, number, roles, order if ready.all() else order[ready[order]])
        closed = Result(closed.hops, merged(closed.journeys, self._unseen(done, ends)))
        self._outcomes.report(ends, roles, np.flatnonzero(ready))
        self._report(done, ready, closed)
        if settled_ns == _EVER:
            self._held = None
            return closed, closed
        still = self._result(done, ends, number, roles, order[~ready[order]])
        self._held = _remaining(done, ready, self._decisions.waiting(rows))
        # columns that are still to be made would hold all rows of this pass until the next
        return closed, Result(still.hops.made(), still.journeys)

    def _result(self, done: Pass, ends: Endings, number: Array, roles: Roles, chosen: Array) -> Result:
        """HOPS and JOURNEYS of the chosen chains."""
        hops, journeys = self._builder.tables(done, number, roles, chosen, fallback=self._observer.fallback)
        return Result(
            self._decisions.told_of(self._steps.told(hops), done, chosen),
            self._decisions.named(
                self._outcomes.told(done, ends, roles, chosen, journeys, topology=self._locator.topology)
            ),
        )

    def _unseen(self, done: Pass, ends: Endings) -> Table:
        """JOURNEYS of packets that no device saw; each is given once."""
        topology = self._locator.topology
        inventory = None if topology is None else topology.inventory
        table = self._outcomes.unseen(done, ends, Losses(self._diagnostics.losses), inventory)
        table = self._decisions.told(table, done.observed, ends.unseen)
        done.observed["_number"][ends.unseen] = HANDLED
        return table

    def _numbers(self, done: Pass, unseen: Array) -> Array:
        """The number of each chain: the one it had, or the next, in the order of first hops.

        unseen: rows of packets without hops, which get numbers among the others.
        """
        first = done.seen.rows[done.chains.starts]
        rows = np.concatenate([first, unseen])
        number = done.observed["_number"][rows]
        new = np.flatnonzero(number < 0)
        number[new[_ascending(rows[new])]] = np.arange(self._next, self._next + len(new))
        self._next += len(new)
        done.observed["_number"][rows] = number
        result: Array = number[: len(first)]
        return result

    def _roles(self, done: Pass, number: Array, settled_ns: int) -> Roles:
        """Who answers whom; what can't change any more is written down with the journeys' first rows."""
        first = done.seen.rows[done.chains.starts]
        reply, request = done.observed["_reply"][first], done.observed["_request"][first]
        open_pair = (reply[done.pairs.request] == _UNASKED) & (request[done.pairs.reply] == _UNASKED)
        open_pair &= request[done.pairs.request] < 0  # a reply asks nothing
        pairs = done.pairs.take(np.flatnonzero(open_pair))
        pairs = pairs.take(first_of_each(pairs, done.seen.time[done.chains.starts]))
        start = done.seen.time[done.chains.starts]
        end = done.seen.time[done.chains.starts + done.chains.sizes - 1]
        before = settled_ns - self._options.reply_ns
        asked, answers = pairs.request, pairs.reply
        final = (end[asked] < before) | (start[answers] < before)
        now_reply, now_request = reply.astype(number.dtype), request.astype(number.dtype)
        now_reply[asked], now_request[answers] = number[answers], number[asked]
        reply[(reply == _UNASKED) & (end < before)] = _NONE
        request[(request == _UNASKED) & (start < before)] = _NONE
        reply[asked[final]], request[answers[final]] = number[answers[final]], number[asked[final]]
        settled = first[answers[final]]
        keep(done.observed, "_begins", settled, done.begins[answers[final]])
        keep(done.observed, "_reply", first, reply)
        keep(done.observed, "_request", first, request)
        return Roles(now_reply, now_request, *self._lineage(done, number))

    def _lineage(self, done: Pass, number: Array) -> tuple[Array, Array]:
        """(parent, lineage) of each chain, as `Roles` has them; what was told once stays so."""
        first = done.seen.rows[done.chains.starts]
        columns = (done.observed["_parent"], done.observed["_lineage"])
        parent, reason = (
            column[first] if column.flags.writeable else np.broadcast_to(column[:1], len(first)) for column in columns
        )
        if done.lineage is None:
            return parent, reason
        codes = self._builder.lineage_codes(done.lineage.reasons)
        told = np.where(done.lineage.parent >= 0, number[done.lineage.parent], -1)
        parent, reason = parent.copy(), reason.copy()
        new = (parent < 0) & ((told >= 0) | (reason < 0))
        parent[new], reason[new] = told[new], codes[done.lineage.reason[new]]
        keep(done.observed, "_parent", first, parent)
        keep(done.observed, "_lineage", first, reason)
        return parent, reason

    def _report(self, done: Pass, ready: Array, closed: Result) -> None:
        """Count what was cut, and what is doubtful, of the journeys that are closed now."""
        note = self._diagnostics.note
        cuts = closed.journeys["cut"]
        names = closed.journeys.names["cut"]
        for code, count in enumerate(np.bincount(cuts[cuts >= 0], minlength=len(names)).tolist()):
            if count:
                rule = names[code] or ""
                note(f"cut-{rule}", f"chains cut: {rules.MEANING[rule]}", severity="info", count=count)
        self._report_settled(done, ready)
        if doubtful := int(np.count_nonzero(done.doubtful & np.repeat(ready, done.chains.sizes))):
            note(
                "doubtful-join",
                "hops taken for the same packet's that may be another's",
                severity="info",
                count=doubtful,
            )
        if ambiguous := int(np.count_nonzero(closed.hops["candidates"] >= 0)):
            note(
                AMBIGUOUS,
                "hops whose interface stands in several namespaces, and nothing tells which",
                count=ambiguous,
                advice=PAST_THE_SOCKETS if self._options.packets else PLACED_BY_SOCKETS,
            )
        if self._locator.topology is None:
            self._report_untold(closed.hops["evidence"])
        if self._observer.fallback and len(closed.journeys):
            self._diagnostics.notes.pop("fallback-tracepoints", None)
            note(
                "fallback-tracepoints",
                "none of the four tracepoints that show each hop once was recorded: net_dev_xmit and netif_receive_skb "
                "stand in, and places are told by unique names only",
                advice=f"record {', '.join(tracepoints.perf_name(event.name) for event in tracepoints.MAIN)}",
            )

    def _report_untold(self, evidence: Array) -> None:
        """Say what is missing where there is no topology."""
        advice = "supply the topology of the machine it was recorded on (report --topology inventory.json)"
        if inferred := int(np.count_nonzero(evidence == EVIDENCE.index(INFERRED))):
            message = (
                "hops whose namespace only the packets' crossings tell: ns-1, ns-2 ... are made up; two such names, "
                "or one and a number, may mean one namespace unless a packet crossed between them"
            )
            self._diagnostics.note("inferred-place", message, severity="info", count=inferred, advice=advice)
        if unknown := int(np.count_nonzero(evidence < 0)):
            message = "hops whose namespace nothing in the recording tells"
            self._diagnostics.note("unknown-place", message, severity="info", count=unknown, advice=advice)

    def _report_settled(self, done: Pass, ready: Array) -> None:
        """Count how often better evidence put the rules right."""
        if done.settled is None:
            return
        found = done.settled[np.repeat(ready, done.chains.sizes)]
        for code, by, name in ((BY_STACK, "call stacks", "stack"), (BY_BYTES, "the packets' bytes", "bytes")):
            if count := int(np.count_nonzero(found == code)):
                message = f"steps that {by} settled otherwise than time, length and topology alone would have"
                self._diagnostics.note(f"settled-by-{name}", message, severity="info", count=count)


def _started(observed: Table, *, once: bool = False) -> Table:
    """Observed rows with the columns that journeys keep, nothing known yet.

    once: there is one pass only. What is written down for later ones are read-only views of one element then.
    """
    if once:
        views = {name: np.broadcast_to(np.int64(value), len(observed)) for name, value in _KEPT.items()}
        number = np.full(len(observed), _KEPT["_number"], dtype=narrow(len(observed)))
        return observed.extended(**{**views, "_number": number})
    return observed.extended(**{name: np.full(len(observed), value, dtype=np.int64) for name, value in _KEPT.items()})


def _ascending(distinct: Array) -> Array:
    """The permutation that sorts numbers of which none is there twice: by a table where they are close together."""
    least = int(distinct.min(initial=0))
    span = int(distinct.max(initial=0)) - least + 1
    if span > _SPARSE * len(distinct):
        return np.argsort(distinct)
    place: Array = np.full(span, -1, narrow(len(distinct)))
    place[distinct - least] = np.arange(len(distinct))
    return place[place >= 0].astype(np.int64)


def _remaining(done: Pass, ready: Array, waiting: Array) -> Table:
    """The rows that later passes need: hops of open journeys, and what else happened to their addresses since.

    waiting: other rows that are still needed, as a mask.
    """
    observed = done.observed
    open_hops = done.seen.rows[np.repeat(~ready, done.chains.sizes)]
    wanted = waiting.copy()
    wanted[open_hops] = True
    others = np.flatnonzero(observed["_seq"] < 0)
    if len(others) and len(open_hops):
        addresses, first = np.unique(observed["skbaddr"][open_hops], return_index=True)
        since = observed["time_ns"][open_hops][first]
        at = np.minimum(np.searchsorted(addresses, observed["skbaddr"][others]), len(addresses) - 1)
        mine = (addresses[at] == observed["skbaddr"][others]) & (observed["time_ns"][others] >= since[at])
        wanted[others[mine]] = True
    return observed.take(np.flatnonzero(wanted))


def follow(
    events: Table, inventory: Inventory | None, diagnostics: Diagnostics, options: Options | None = None
) -> Result:
    """All journeys of a whole EVENTS table."""
    tracker = Tracker(inventory, diagnostics, options)
    observed = _started(tracker._observer.observe(events), once=True)  # noqa: SLF001 - one pass over all
    tracker._new.append(tracker._decisions.prepared(observed))  # noqa: SLF001
    return tracker.close()
