"""Which journeys are of the traced command's flows. Pure functions of tables; `following` keeps what is known.

A journey is the command's where
- a process of the command sent it: its first hop happened in that process' own context;
- it is of a flow that is the command's, in either direction, at any of its hops: replies that arrive in interrupts,
  acknowledgements the kernel makes, retransmissions by timers, ICMP errors (which quote the packet they are about);
- it asks for, or tells, a neighbour's address that such packets needed: ARP and neighbour discovery for an end of such
  a flow, in a namespace it came through; or where such a packet was waiting just then (a gateway's address);
- it had waited for the answer to such a question that a process of the command caused, or reports that none came;
- a process of the command got it, as far as that was recorded.

A flow is the command's where one of its journeys is. NAT makes two flows of one: those of one journey belong together
where the packet's invariant parts say that it is the same packet (packets.identity).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from perfpath.journeys.chains import kernel_threads
from perfpath.journeys.observe import PROCESS, context_of
from perfpath.packets.mixing import NONE, mixed, word
from perfpath.packets.traits import ANSWER, ASK, ERROR, TRAITS
from perfpath.tables import Table, among

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from perfpath.journeys.tracker import Result
    from perfpath.packets.memo import Memo
    from perfpath.tables import Array

    Kin = Callable[[Array, Array], Array]
    """(thread ids, times) -> bool[n]: which of them were of the command then."""

SAME_CALL_NS = 200_000
"""What a packet causes inside the kernel's handling of it comes so soon."""
RELEASED_NS = 1_000_000
"""Packets that wait for a neighbour's address are sent so soon after the answer (neigh_update)."""
_NEVER = -(1 << 62)
UNANSWERED_NS = 10_000_000_000
"""The error for a neighbour that doesn't answer comes within this time of a question."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What matters here of some journeys and their hops.

    hops: of (row of the journey), first, time, wait (since the hop before), cpu, netns, dev, tx, process (sent by a
    process, in its own context) and TRAITS, sorted by hop within each journey. journeys: number, peer, seed (a process
    of the command sent or got it), foreign (another process sent it), bare (no bytes of it are known), dropped (when,
    for what no device saw and nobody's process sent, else -1).
    """

    hops: Table
    journeys: Table


def facts_of(result: Result, traits: Memo | None, kin: Kin) -> Facts:
    """The facts of HOPS and JOURNEYS. traits: TRAITS by packet, None where there are no bytes."""
    hops, journeys = result.hops, result.journeys
    of = np.searchsorted(journeys["journey"], hops["journey"])
    first = hops["hop"] == 0
    context = context_of(hops["flags"])
    threads = kernel_threads(hops.names["comm"], hops["comm"], context)
    process = (context == PROCESS) & ~threads
    number = hops["packet"] if traits is not None and "packet" in hops else None
    found = np.zeros(len(hops), TRAITS) if number is None or traits is None else traits.of(number)
    columns = {name: found[name] for name in TRAITS.names or ()}
    columns |= {"of": of, "first": first, "time": hops["time_ns"], "wait": hops["delta_ns"], "cpu": hops["cpu"]}
    columns |= {"netns": hops["netns"], "dev": hops["dev"], "process": process}
    columns["tx"] = hops["direction"] == hops.names["direction"].find("tx")
    begun = np.flatnonzero(first & process)
    ours = kin(hops["tid"][begun], hops["time_ns"][begun])
    seed, foreign = np.zeros(len(journeys), bool), np.zeros(len(journeys), bool)
    seed[of[begun[ours]]] = True
    foreign[of[begun[~ours]]] = True
    ended = np.flatnonzero(journeys["end_pid"] >= 0)
    seed[ended[kin(journeys["end_pid"][ended], journeys["ended_ns"][ended])]] = True
    bare = np.bincount(of, found["flow"] != NONE, len(journeys)) == 0
    unseen = (journeys["hops"] == 0) & (journeys["end_pid"] < 0)
    facts = {"number": journeys["journey"], "peer": journeys["peer"], "seed": seed, "foreign": foreign, "bare": bare}
    facts["dropped"] = np.where(unseen, journeys["ended_ns"], -1)
    return Facts(Table(columns, {}), Table(facts, {}))


def together(parts: Sequence[Facts]) -> Facts:
    """The facts of several results as one."""
    hops = {name: np.concatenate([part.hops[name] for part in parts]) for name in parts[0].hops.columns if name != "of"}
    offsets = np.cumsum([0, *(len(part.journeys) for part in parts)])
    hops["of"] = np.concatenate([part.hops["of"] + at for part, at in zip(parts, offsets[:-1], strict=True)])
    columns = parts[0].journeys.columns
    return Facts(
        Table(hops, {}),
        Table({name: np.concatenate([part.journeys[name] for part in parts]) for name in columns}, {}),
    )


def taken(facts: Facts, rows: Array) -> Facts:
    """The facts of some journeys (rows, ascending)."""
    place = np.full(len(facts.journeys), -1, np.int64)
    place[rows] = np.arange(len(rows))
    of = place[facts.hops["of"]]
    hops = facts.hops.take(np.flatnonzero(of >= 0))
    return Facts(hops.extended(of=of[of >= 0]), facts.journeys.take(rows))


def _empty() -> Array:
    return np.zeros(0, np.uint64)


@dataclass(slots=True)
class Known:
    """What is known of the command's flows so far; digests, sorted.

    flows: of TRAITS. ends: addresses together with the namespaces they were met in. answers: MAC addresses of
    neighbours it asked for, with the namespace, and `told`: (digest, time, CPU) of each answer. asked: addresses that
    asked for it, with the namespace, and `asked_at`: when they did last.
    """

    flows: Array = field(default_factory=_empty)
    ends: Array = field(default_factory=_empty)
    told: Array = field(default_factory=lambda: np.zeros((0, 3), np.uint64))
    asked: dict[int, int] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Grows with each flow."""
        return len(self.flows)

    def learn(self, facts: Facts, mine: Array) -> bool:
        """Take in what the command's journeys tell; True where that is new."""
        before = self.size, len(self.ends), len(self.told), len(self.asked)
        hops = facts.hops.take(np.flatnonzero(mine[facts.hops["of"]]))
        self.flows = np.union1d(self.flows, _linked(hops, len(mine), self.flows))
        self._learn_ends(hops)
        self._learn_neighbours(hops)
        self._learn_questions(facts.hops)
        return before != (self.size, len(self.ends), len(self.told), len(self.asked))

    def _learn_ends(self, hops: Table) -> None:
        rows = np.flatnonzero((hops["kind"] != ASK) & (hops["kind"] != ANSWER) & (hops["netns"] > 0))
        for end in ("src", "dst"):
            known = rows[hops[end][rows] != NONE]
            self.ends = np.union1d(self.ends, _there(hops, end, known))

    def _learn_questions(self, hops: Table) -> None:
        """Flows of questions for addresses that the command's packets needed, in a namespace they came through."""
        asks = np.flatnonzero((hops["kind"] == ASK) & (hops["netns"] > 0) & (hops["flow"] != NONE))
        needed = asks[among(_there(hops, "dst", asks), self.ends)]
        self.flows = np.union1d(self.flows, hops["flow"][needed])

    def _learn_neighbours(self, hops: Table) -> None:
        rows = np.flatnonzero((hops["kind"] == ANSWER) & (hops["mac"] >= 0) & ~hops["tx"] & (hops["netns"] > 0))
        told = np.stack([_there(hops, "mac", rows), word(hops["time"][rows]), word(hops["cpu"][rows])], axis=1)
        self.told = np.unique(np.concatenate((self.told, told)), axis=0)
        asks = np.flatnonzero((hops["kind"] == ASK) & hops["first"] & hops["tx"])
        for digest, time in zip(_there(hops, "src", asks).tolist(), hops["time"][asks].tolist(), strict=True):
            self.asked[digest] = max(time, self.asked.get(digest, time))


def claimed(facts: Facts, known: Known) -> Array:
    """bool[n]: the journeys that are the command's. What they tell is learnt."""
    mine: Array = facts.journeys["seed"].copy()
    while True:
        mine |= _any(facts, among(facts.hops["flow"], known.flows) & (facts.hops["flow"] != NONE))
        grew = known.learn(facts, mine)
        more = _waited_for(facts, mine, known) | _released(facts, known)
        more |= _unanswered(facts, known) | _given_up(facts, mine)
        more |= facts.journeys["bare"] & np.isin(facts.journeys["peer"], facts.journeys["number"][mine])
        more &= ~mine
        if not (grew or more.any()):
            return mine
        mine |= more


def _linked(hops: Table, count: int, flows: Array) -> Array:
    """The flows of the command's journeys: of each, those that are surely of the same packet as its own one."""
    readable = np.flatnonzero(hops["flow"] != NONE)
    of, flow, identity = (hops[name][readable] for name in ("of", "flow", "identity"))
    ours = among(flow, flows)
    reference = np.full(count, len(readable))
    np.minimum.at(reference, of, np.where(ours, np.arange(len(of)), len(readable)))
    lowest = np.full(count, len(readable))
    np.minimum.at(lowest, of, np.arange(len(of)))
    reference = np.where(reference < len(readable), reference, lowest)[of]
    same = (identity == identity[reference]) & (identity != NONE)
    linked: Array = np.unique(flow[same | (flow == flow[reference])])
    return linked


def _waited_for(facts: Facts, mine: Array, known: Known) -> Array:
    """Questions that began where a packet of the command's was waiting: a gateway's address, mostly."""
    hops = facts.hops
    found = np.zeros(len(mine), bool)
    asks = (hops["kind"] == ASK) & ~mine[hops["of"]] & (hops["netns"] > 0)
    begun = np.flatnonzero(asks & hops["first"] & ~hops["process"])
    if len(begun) and len(known.flows):
        found[hops["of"][begun[_while_waiting(hops, begun, mine)]]] = True
    return found


def _while_waiting(hops: Table, asks: Array, mine: Array) -> Array:
    """bool[n]: a packet of the command's waited where these questions began, or had just come there."""
    own = mine[hops["of"]] & (hops["kind"] != ASK) & (hops["kind"] != ANSWER)
    sent = np.flatnonzero(own & hops["tx"] & ~hops["first"])
    last = np.flatnonzero(own & ~hops["tx"])
    device = mixed(word(hops["netns"]), word(hops["dev"]))
    came = mixed(word(hops["netns"]), word(hops["cpu"]))
    found = np.zeros(len(asks), bool)
    for row, ask in enumerate(asks.tolist()):
        time = hops["time"][ask]
        later = sent[(device[sent] == device[ask]) & (hops["time"][sent] >= time)]
        since = time - hops["time"][last[came[last] == came[ask]]]
        found[row] = (hops["time"][later] - hops["wait"][later] <= time).any()
        found[row] |= ((since >= 0) & (since <= SAME_CALL_NS)).any()
    return found


def _released(facts: Facts, known: Known) -> Array:
    """Packets that were sent, by nobody's own doing, right when the answer came for which the command had asked."""
    hops = facts.hops
    found = np.zeros(len(facts.journeys), bool)
    begun = np.flatnonzero(hops["first"] & hops["tx"] & ~hops["process"] & (hops["netns"] > 0) & (hops["dst_mac"] >= 0))
    key = _there(hops, "dst_mac", begun)
    foreign = np.unique(hops["flow"][facts.journeys["foreign"][hops["of"]]])
    candidates = among(key, np.unique(known.told[:, 0])) & ~among(hops["flow"][begun], foreign)
    candidates &= _since(hops["time"][begun], known.told[:, 1].astype(np.int64)) <= RELEASED_NS
    for row in np.flatnonzero(candidates).tolist():
        hop = begun[row]
        told = known.told[known.told[:, 0] == key[row]]
        since = int(hops["time"][hop]) - told[:, 1].astype(np.int64)
        there = told[:, 2] == word(hops["cpu"][[hop]])
        found[hops["of"][hop]] = ((since >= 0) & (since <= RELEASED_NS) & there).any()
    return found


def _unanswered(facts: Facts, known: Known) -> Array:
    """Errors about packets that no device ever saw, from an address that had asked for a neighbour for the command."""
    hops = facts.hops
    found = np.zeros(len(facts.journeys), bool)
    errors = np.flatnonzero(hops["first"] & (hops["kind"] == ERROR) & (hops["netns"] > 0))
    foreign = np.unique(hops["flow"][facts.journeys["foreign"][hops["of"]]])
    for hop, key in zip(errors.tolist(), _there(hops, "src", errors).tolist(), strict=True):
        since = int(hops["time"][hop]) - known.asked.get(key, -UNANSWERED_NS)
        found[hops["of"][hop]] = 0 <= since <= UNANSWERED_NS and not among(hops["flow"][[hop]], foreign)[0]
    return found


def _given_up(facts: Facts, mine: Array) -> Array:
    """Packets that no device ever saw, dropped right after the error about them was sent (arp_error_report)."""
    hops, dropped = facts.hops, facts.journeys["dropped"]
    found = np.zeros(len(mine), bool)
    errors = hops["first"] & (hops["kind"] == ERROR) & mine[hops["of"]]
    gone = np.flatnonzero(dropped >= 0)
    found[gone] = _since(dropped[gone], hops["time"][errors]) <= SAME_CALL_NS
    return found


def _there(hops: Table, column: str, rows: Array) -> Array:
    """Digests of a column together with the namespace."""
    return mixed(word(hops[column][rows]), word(hops["netns"][rows]))


def _since(times: Array, events: Array) -> Array:
    """int64[n]: how long before each time the latest of some events was; very long where none was."""
    ordered = np.sort(np.append(events, _NEVER))
    since: Array = times - ordered[np.searchsorted(ordered, times, side="right") - 1]
    return since


def _any(facts: Facts, of_hops: Array) -> Array:
    found = np.zeros(len(facts.journeys), bool)
    found[facts.hops["of"][of_hops]] = True
    return found
