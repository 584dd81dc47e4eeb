"""Which hops are one packet: every run of one skbaddr, cut where a rule says so."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from perfpath.journeys import protocols, rules
from perfpath.journeys.observe import HOP_NAMES, IS_TX, PROCESS
from perfpath.journeys.topology import Seen
from perfpath.tables import narrow

if TYPE_CHECKING:
    from collections.abc import Callable

    from perfpath.journeys.losses import Losses
    from perfpath.journeys.settle import Verdicts
    from perfpath.journeys.sightings import Sightings
    from perfpath.journeys.topology import Topology
    from perfpath.tables import Array, Names, Table

KERNEL_THREADS = ("kworker", "ksoftirqd/", "napi/", "backlog_napi/", "irq/", "vhost-", "wg-crypt", "swapper")
"""How names of kernel threads begin that send packets outside of softirq: their namespace says nothing."""

DOUBTFUL_GAP_NS = 1_000_000
NO_ORIGIN = -(2**62)
NO_WAY, LISTED, UNLISTED = range(3)
ANSWERED = -2  # instead of a rule: an earlier pass saw that it seemed to have been answered
_DENSE_PAIRS = 2048


@dataclass(slots=True)
class Spots:
    """The distinct (device, tracepoint) of some sightings.

    of: for each sighting the number of its spot. dev, kind: codes by spot; era: as `Topology.changes` has it.
    """

    of: Array
    dev: Array
    kind: Array
    era: Array

    def __len__(self) -> int:
        return len(self.dev)


def spots_of(seen: Sightings, topology: Topology | None) -> Spots:
    """Number what was seen."""
    width = len(HOP_NAMES)
    key = (seen.dev + 1) * width + seen.kind
    eras = 1
    if topology is not None and topology.changes:
        eras = len(topology.changes) + 1
        key = key.astype(np.int64) * eras + np.searchsorted(topology.changes, seen.time)
    if key.max(initial=0) > _DENSE_PAIRS**2:
        known, number = np.unique(key, return_inverse=True)
    else:
        used = np.zeros(int(key.max(initial=-1)) + 1, dtype=bool)
        used[key] = True
        known = np.flatnonzero(used)
        number = (np.cumsum(used, dtype=np.int32) - 1)[key]
    return Spots(number, known // eras // width - 1, known // eras % width, known % eras)


@dataclass(slots=True)
class Begun:
    """What an earlier pass said of the first hops that are left: the rule that cut them (-1 none), and their origin.

    Of others the rule is ANSWERED where that was seen.
    """

    rule: Array
    origin: Array


@dataclass(slots=True)
class Cuts:
    """What the rules say of each sighting.

    rule: which of RULES cuts it from the one before, JOINED for none. strong: the step is one packet's beyond doubt.
    firm: it may tell where the packet was. doubtful: where it is taken for one packet's, it may not be.
    may_repeat: at the place where the chain began it is another packet's. origin: the place where its run began (kind
    and device), which stays when the run is cut later on because no reading of the topology allows it.
    handed_on: `rules.handed_on`. answered: `rules.answered_before`.
    """

    rule: Array
    strong: Array
    firm: Array
    doubtful: Array
    origin: Array
    inner: Array
    handed_on: Array
    answered: Array


def cut_chains(
    seen: Sightings,
    spots: Spots,
    *,
    observed: Table,
    topology: Topology | None,
    losses: Losses,
    gap_ns: int,
    kernel_thread: Array,
    begun: Begun,
    told: Verdicts | None = None,
) -> Cuts:
    """Ask the rules about each hop. told: what call stacks and bytes say, which counts for more."""
    devices = observed.names["dev"]
    cut = rules.certain_cuts(seen, losses, gap_ns, kernel_thread)
    cut[(cut == rules.START) & (begun.rule >= 0)] = begun.rule[(cut == rules.START) & (begun.rule >= 0)]
    steps = rules.steps_of(seen)
    queued = _queued(cut, rules.sent_by_another(seen, steps), spots, devices, topology)
    cut[queued] = rules.JOINED
    same = alike = np.zeros(len(cut), dtype=bool)
    if told is not None:
        same, alike = told.same, told.alike | told.same
        steps = replace(steps, strong=(steps.strong | same) & ~told.other & ~told.unlike)
        cut[same & (cut == rules.PROCESS_RULE)] = rules.JOINED
        cut[told.other & (cut == rules.JOINED)] = rules.MADE
        cut[told.unlike & (cut == rules.JOINED)] = rules.CONTENT
    other = protocols.another(seen, observed, steps) & ~same
    cut[other & (cut == rules.JOINED)] = rules.PROTOCOL
    apart = _apart(seen, observed) & ~same
    cut[apart & (cut == rules.JOINED)] = rules.IMPOSSIBLE
    steps = replace(steps, strong=steps.strong & ~other & ~apart)
    possible, listed = _possible_steps(cut, spots, devices, topology)
    nested = listed & (
        queued | (steps.nested & (steps.exact | seen.quiet))
    )  # a tunnel that is called like the device below it
    wrapped = listed & alike & (rules.since_before(seen.length) != 0)
    loopback = seen.dev == devices.find("lo")  # no packet is forwarded to it or from it
    turned = seen.tx & ~steps.from_tx & (loopback | rules.before(loopback))
    reasons = (
        (rules.AGAIN, steps.same & ~nested & ~wrapped & ~same),
        (rules.LENGTH, ~steps.possible & ~same),
        (rules.IMPOSSIBLE, (turned & ~same) | (~possible & ~steps.strong)),
    )
    for rule, where in reasons:
        cut[where & (cut == rules.JOINED)] = rule
    cut[rules.turns_back(seen, steps, listed) & (cut == rules.JOINED)] = rules.REPEAT
    cut[rules.answers(seen, steps, cut) & ~alike] = rules.ANSWER
    waited = rules.waited(seen, steps)
    late = rules.sent_on_unknown(seen, steps) & (steps.gap > DOUBTFUL_GAP_NS) & ~alike & ~waited
    cut[late & (cut == rules.JOINED)] = rules.GAP
    cut[rules.overtaken(seen, steps, cut) & ~waited & ~alike] = rules.OVERTAKEN
    moved = seen.cpu != rules.before(seen.cpu)
    doubtful = seen.tx & ~steps.from_tx & (~steps.exact | moved | (steps.gap > DOUBTFUL_GAP_NS)) & ~alike
    doubtful |= seen.tx & steps.from_tx & ~steps.nested & (steps.gap > DOUBTFUL_GAP_NS) & ~alike
    doubtful |= (queued | rules.may_ask(seen, steps)) & ~alike
    doubtful |= rules.hardly_one(seen, steps) & ~alike
    place = seen.dev.astype(narrow(len(devices) * len(HOP_NAMES))) * len(HOP_NAMES) + seen.kind
    first = np.maximum.accumulate(np.where(cut != rules.JOINED, np.arange(len(cut), dtype=narrow(len(cut))), 0))
    origin = place
    if begun.origin.flags.writeable:  # there were earlier passes
        origin = np.where(seen.follows | (begun.origin == NO_ORIGIN), place, begun.origin)
    origin = origin[first]
    cut[
        (cut == rules.JOINED)
        & rules.may_repeat(seen, steps, listed)
        & ~((waited | nested) & listed)
        & (place == origin)
    ] = rules.REPEAT
    doubtful |= _comes_round(cut, place, rules.sent_on_unknown(seen, steps)) & ~alike
    answered = rules.answered_before(seen, steps, cut) | (begun.rule == ANSWERED)
    answered &= (cut == rules.JOINED) & ~alike
    doubtful |= answered
    cut[(cut == rules.REPEAT) & seen.follows & ~steps.from_tx & seen.tx & ~steps.elsewhere & steps.exact] = rules.ROUND
    inner = (cut != rules.JOINED) & listed & steps.same & steps.nested
    return Cuts(
        cut,
        steps.strong,
        rules.firm_steps(seen, steps) & ~answered,
        doubtful,
        origin,
        inner,
        rules.handed_on(seen, steps),
        answered,
    )


def _apart(seen: Sightings, observed: Table) -> Array:
    """Hops that send in another namespace than the hop before received in: who receives a packet forwards it there.

    Only where both are recorded. What tunnels send, and what they hand up, may well be in another one.
    """
    netns = observed["netns"][seen.rows]
    left = rules.before(netns)
    apart: Array = seen.follows & seen.tx & ~rules.before(seen.tx) & (netns > 0) & (left > 0) & (netns != left)
    return apart


def _comes_round(cut: Array, place: Array, turns: Array) -> Array:
    """Of `turns`, those behind which a chain comes to a place it has been at: there another packet may have begun."""
    result = np.zeros(len(cut), dtype=bool)
    turns = turns & (cut == rules.JOINED)
    if not turns.any():
        return result
    chain = np.cumsum(cut != rules.JOINED)
    turning = np.zeros(int(chain[-1]) + 1, dtype=bool)
    turning[chain[turns]] = True
    order = np.flatnonzero(turning[chain])
    order = order[np.lexsort((place[order], chain[order]))]
    again = np.zeros(len(cut), dtype=bool)
    again[order[1:]] = (np.diff(chain[order]) == 0) & (np.diff(place[order]) == 0)
    repeated = np.flatnonzero(again)
    latest = np.maximum.accumulate(np.where(turns, np.arange(len(cut)), 0))[repeated]
    mine = turns[latest] & (chain[latest] == chain[repeated])
    result[latest[mine]] = True
    return result


def _possible_steps(cut: Array, spots: Spots, devices: Names, topology: Topology | None) -> tuple[Array, Array]:
    """For each hop: is there a way to it from the hop before (True where nobody knows), and is that way listed."""
    possible, listed = np.ones(len(cut), dtype=bool), np.zeros(len(cut), dtype=bool)
    joined = np.flatnonzero(cut == rules.JOINED)
    if topology is None or not len(joined):
        return possible, listed
    pairs = spots.of[joined - 1].astype(np.int64) * len(spots) + spots.of[joined]
    answers = looked_up(pairs, len(spots) ** 2, lambda pair: _step(pair, spots, devices, topology))
    possible[joined], listed[joined] = answers != NO_WAY, answers == LISTED
    return possible, listed


def _queued(cut: Array, may_be: Array, spots: Spots, devices: Names, topology: Topology | None) -> Array:
    """Hops that a process sent, maybe in emptying the queue of the device above, as somebody else does on its CPU."""
    result = np.zeros(len(cut), dtype=bool)
    asked = np.flatnonzero(may_be & (cut == rules.PROCESS_RULE))
    if topology is None or not len(asked):
        return result
    pairs = spots.of[asked - 1].astype(np.int64) * len(spots) + spots.of[asked]

    def answer(pair: int) -> int:
        seen = _pair(pair, spots, devices)
        return int(seen is not None and topology.queues(*seen))

    result[asked] = looked_up(pairs, len(spots) ** 2, answer) == 1
    return result


def looked_up(keys: Array, limit: int, answer: Callable[[int], int]) -> Array:
    """The answer for each key, asked once for each distinct one."""
    if limit <= _DENSE_PAIRS**2:
        table = np.zeros(limit, dtype=np.int8)
        table[keys] = 1
        for key in np.flatnonzero(table).tolist():
            table[key] = answer(key)
        return table[keys]
    distinct, where = np.unique(keys, return_inverse=True)
    return np.array([answer(key) for key in distinct.tolist()], dtype=np.int8)[where]


def _step(pair: int, spots: Spots, devices: Names, topology: Topology) -> int:
    seen = _pair(pair, spots, devices)
    if seen is None:
        return UNLISTED
    here, there = seen
    if not topology.candidates(here.name, here.era) or not topology.candidates(there.name, there.era):
        return UNLISTED
    steps = topology.steps(here, there)
    if any(
        not topology.places[each].wild and any(not topology.places[to].wild for to in steps[each]) for each in steps
    ):
        return LISTED
    if any(steps.values()):
        return UNLISTED
    ends = (
        ()
        if there.tx or not here.tx
        else (*steps, *(each.number for each in topology.candidates(there.name, there.era)))
    )
    return NO_WAY if topology.lost.isdisjoint(ends) else UNLISTED


def _pair(pair: int, spots: Spots, devices: Names) -> tuple[Seen, Seen] | None:
    """The two places of a step, None where one has no name."""
    first, second = divmod(pair, len(spots))
    name, to = devices[spots.dev[first]], devices[spots.dev[second]]
    if name is None or to is None:
        return None
    return (
        Seen(name, bool(IS_TX[spots.kind[first]]), int(spots.era[first])),
        Seen(to, bool(IS_TX[spots.kind[second]]), int(spots.era[second])),
    )


def kernel_threads(comms: Names, codes: Array, context: Array) -> Array:
    """Which hops happened in a kernel thread outside of softirq, by its name."""
    named = np.array([*(text.startswith(KERNEL_THREADS) for text in comms.texts), False])
    if not named.any():
        return np.zeros(len(codes), dtype=bool)
    result: Array = named[codes] & (context == PROCESS)
    return result
