"""Which hops are one packet: every run of one skbaddr, cut where a rule says so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from perfpath.journeys import rules
from perfpath.journeys.observe import HOP_NAMES, IS_TX, PROCESS

if TYPE_CHECKING:
    from collections.abc import Callable

    from perfpath.journeys.losses import Losses
    from perfpath.journeys.sightings import Sightings
    from perfpath.journeys.topology import Topology
    from perfpath.tables import Array, Names

KERNEL_THREADS = ("kworker", "ksoftirqd/", "napi/", "backlog_napi/", "irq/", "vhost-", "wg-crypt", "swapper")
"""How names of kernel threads begin that send packets outside of softirq: their namespace says nothing."""

DOUBTFUL_GAP_NS = 1_000_000
_DENSE_PAIRS = 2048


@dataclass(slots=True)
class Spots:
    """The distinct (device, tracepoint) of some sightings.

    of: for each sighting the number of its spot. dev, kind: codes by spot.
    """

    of: Array
    dev: Array
    kind: Array

    def __len__(self) -> int:
        return len(self.dev)


def spots_of(seen: Sightings) -> Spots:
    """Number what was seen."""
    width = len(HOP_NAMES)
    key = (seen.dev + 1) * width + seen.kind
    used = np.zeros(int(key.max(initial=-1)) + 1, dtype=bool)
    used[key] = True
    known = np.flatnonzero(used)
    number = np.cumsum(used, dtype=np.int32) - 1
    return Spots(number[key], known // width - 1, known % width)


def cut_chains(
    seen: Sightings,
    spots: Spots,
    devices: Names,
    topology: Topology | None,
    losses: Losses,
    gap_ns: int,
    kernel_thread: Array,
) -> tuple[Array, Array, Array]:
    """(cut, strong, doubtful): the rule that cuts each hop from the one before (rules.JOINED for none), and two masks.

    strong: the step is one packet's beyond doubt. doubtful: it was taken for one packet's, and may not be.
    """
    cut = rules.certain_cuts(seen, losses, gap_ns, kernel_thread)
    possible, exact = rules.length_fits(seen)
    strong = rules.strong_steps(seen, exact)
    gap = np.diff(seen.time, prepend=seen.time[:1])
    possible_step = _possible_steps(cut, spots, devices, topology)
    same = np.zeros(len(seen), dtype=bool)
    same[1:] = (seen.dev[1:] == seen.dev[:-1]) & (seen.tx[1:] == seen.tx[:-1])
    nested = seen.quiet & seen.tx & exact & (gap < rules.NESTED_NS) & possible_step & (topology is not None)
    for where, rule in ((same & ~nested, rules.AGAIN), (~possible, rules.LENGTH), (~possible_step & ~strong, rules.IMPOSSIBLE)):
        cut[where & (cut == rules.JOINED)] = rule
    cut[rules.repeats(seen, spots.of, cut, strong)] = rules.REPEAT
    turns = (cut == rules.JOINED) & seen.tx
    turns[1:] &= ~seen.tx[:-1]
    other_cpu = np.diff(seen.cpu, prepend=seen.cpu[:1]) != 0
    return cut, strong, turns & (~exact | other_cpu | (gap > DOUBTFUL_GAP_NS))


def _possible_steps(cut: Array, spots: Spots, devices: Names, topology: Topology | None) -> Array:
    """For each hop, whether the topology knows a way to it from the hop before; True where it doesn't know."""
    result = np.ones(len(cut), dtype=bool)
    joined = np.flatnonzero(cut == rules.JOINED)
    if topology is None or not len(joined):
        return result
    pairs = spots.of[joined - 1].astype(np.int64) * len(spots) + spots.of[joined]
    result[joined] = looked_up(pairs, len(spots) ** 2, lambda pair: _possible(pair, spots, devices, topology))
    return result


def looked_up(keys: Array, limit: int, answer: Callable[[int], bool]) -> Array:
    """The answer for each key, asked once for each distinct one."""
    if limit <= _DENSE_PAIRS**2:
        used = np.zeros(limit, dtype=bool)
        used[keys] = True
        for key in np.flatnonzero(used).tolist():
            used[key] = answer(key)
        return used[keys]
    distinct, where = np.unique(keys, return_inverse=True)
    return np.array([answer(key) for key in distinct.tolist()], dtype=bool)[where]


def _possible(pair: int, spots: Spots, devices: Names, topology: Topology) -> bool:
    first, second = divmod(pair, len(spots))
    name, to = devices[spots.dev[first]], devices[spots.dev[second]]
    if name is None or to is None or not topology.candidates(name) or not topology.candidates(to):
        return True
    steps = topology.steps(name, bool(IS_TX[spots.kind[first]]), to, bool(IS_TX[spots.kind[second]]))
    return any(steps.values())


def kernel_threads(comms: Names, codes: Array, context: Array) -> Array:
    """Which hops happened in a kernel thread outside of softirq, by its name."""
    named = np.array([*(text.startswith(KERNEL_THREADS) for text in comms.texts), False])
    if not named.any():
        return np.zeros(len(codes), dtype=bool)
    result: Array = named[codes] & (context == PROCESS)
    return result
