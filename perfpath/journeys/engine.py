"""One pass over observed events: chains, places, roles. `tracker` decides which events a pass sees."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from perfpath.journeys import chains as chaining
from perfpath.journeys import locate, rules, split
from perfpath.journeys.contents import with_contents
from perfpath.journeys.lineage import Lineage, lineage
from perfpath.journeys.observe import IS_TX, PROCESS, both_directions
from perfpath.journeys.pair import Pairs, chance, paired, unrivalled
from perfpath.journeys.paths import Chains, grouped
from perfpath.journeys.settle import settled, verdicts
from perfpath.journeys.sightings import OF_CHAINS, OF_SIGHTINGS, Sightings, sighted
from perfpath.tables import among, distinct

if TYPE_CHECKING:
    from perfpath.firstbytes import FirstBytes
    from perfpath.journeys.causality import Stacks
    from perfpath.journeys.infer import Inference
    from perfpath.journeys.locate import Located, Locator
    from perfpath.journeys.losses import Losses
    from perfpath.journeys.topology import Topology
    from perfpath.tables import Array, Table

LOSS_MARGIN_NS = 100_000
"""A loss so soon after a packet's last hop, or before its first, may have taken more of its hops."""

FEW = 16  # beyond so many it is quicker to sort what is left
NO_START = (rules.LOSS, rules.LENGTH)  # after these the first hop seen may not be the packet's first
ASKING = "question"  # context, of what is as long as a question for a neighbour
KNOWN_BY = ("", locate.KERNEL, locate.SOCKET, locate.CONTEXT, locate.LINK, ASKING)


@dataclass(slots=True)
class Pass:
    """What one pass found. Arrays by chain are in the order of `seen`, which is that of addresses.

    cut: the rule at each sighting. located: the solution of each distinct path. doubtful: mask over the sightings.
    complete, uncertain: masks over the chains, as JOURNEYS has them.
    begins: the namespace each reply began in as its request told, 0 for none. lineage: None where nothing tells of any.
    settled: where call stacks or bytes put right what the rules alone say (`settle.settled`), None for nowhere.
    """

    observed: Table
    seen: Sightings
    cut: Array
    doubtful: Array
    chains: Chains
    located: list[Located]
    pairs: Pairs
    begins: Array
    complete: Array
    uncertain: Array
    lineage: Lineage | None = None
    settled: Array | None = None


def run(
    observed: Table,
    locator: Locator,
    losses: Losses,
    *,
    gap_ns: int,
    reply_ns: int,
    fallback: bool,
    inference: Inference | None = None,
    packets: FirstBytes | None = None,
    stacks: Stacks | None = None,
) -> Pass:
    """Follow all packets in an observed table.

    inference: what tells places where there is no inventory. packets: first bytes, by the column `packet`.
    stacks: what compares the recording's call stacks.
    """
    seen = sighted(observed, fallback=fallback)
    if not observed["_rule"].flags.writeable:  # there are no later passes
        for name in OF_SIGHTINGS:
            observed.columns[name] = np.broadcast_to(np.int64(-1), len(observed))
    caused = None if stacks is None else stacks.caused(observed, seen)
    spots = chaining.spots_of(seen, locator.topology)
    threads = chaining.kernel_threads(observed.names["comm"], observed["comm"][seen.rows], seen.context)
    locator.know_steps(both_directions(observed.names["event"]) and not fallback)
    if locator.topology is not None:
        locator.know_senders(_namespaces(observed["task_netns"]))
    told_of = verdicts(seen, observed, caused, packets)
    asked = partial(
        chaining.cut_chains,
        seen,
        spots,
        observed=observed,
        topology=locator.steps,
        losses=losses,
        gap_ns=gap_ns,
        kernel_thread=threads,
        begun=chaining.Begun(_kept(observed, "_rule", seen.rows), _kept(observed, "_origin", seen.rows)),
    )
    cuts = asked(told=told_of)
    corrected = None if told_of is None else settled(told_of, asked().rule, cuts.rule)
    known = _kernel_places(observed, seen)
    told = _kept(observed, "_begins", seen.rows)
    cuts.firm |= _gone_on(observed, seen, cuts, locator.steps)
    trusted = ~threads & ~rules.handed_in(seen) & (not fallback)
    placing = _Placing(observed, seen, spots, cuts, locator, known, trusted, losses, told, reply_ns)
    chains, located = placing.solved()
    complete = _complete(seen, cuts.rule, chains, losses)
    doubtful = cuts.doubtful & (cuts.rule == rules.JOINED)
    uncertain = np.zeros(len(chains.starts), dtype=bool)
    uncertain[np.searchsorted(chains.starts, np.flatnonzero(doubtful), side="right") - 1] = True
    pairs = paired(seen, chains, observed, reply_ns, sent_on=cuts.rule == rules.ROUND, threads=threads)
    whole = complete & ~uncertain
    pairs = pairs.take(np.flatnonzero(whole[pairs.request] & whole[pairs.reply]))
    pairs = with_contents(pairs, seen, chains, observed, packets)
    chains, located = placing.answered(chains, located, pairs)
    if inference is not None and locator.topology is None and not fallback:
        first = np.full(len(chains.example), len(observed))
        np.minimum.at(first, chains.path, seen.rows[chains.starts])
        located = inference.placed(placing.ways(chains), located, np.argsort(first).tolist())
    seen.forget(OF_CHAINS)
    starts = seen.rows[chains.starts]
    answered = seen.rows[cuts.answered]
    keep(observed, "_rule", answered, np.full(len(answered), chaining.ANSWERED))
    keep(observed, "_rule", starts, cuts.rule[chains.starts])
    keep(observed, "_origin", starts, cuts.origin[chains.starts])
    begins = _at(placing.told, chains.starts)
    kin = lineage(
        seen, chains, observed, caused=caused, packets=packets, named=() if stacks is None else tuple(stacks.reasons)
    )
    return Pass(
        observed,
        seen,
        cuts.rule,
        doubtful,
        chains,
        located,
        pairs,
        begins,
        whole,
        uncertain,
        kin,
        corrected,
    )


def _namespaces(inums: Array) -> list[int]:
    """The distinct ones of mostly a few."""
    found: list[int] = []
    left = inums[:1] if inums.strides == (0,) else inums
    while len(left) and len(found) < FEW:
        found.append(int(left[0]))
        left = left[left != left[0]]
    return [*found, *map(int, distinct(left))]


def keep(observed: Table, name: str, rows: Array, values: Array) -> None:
    """Write down what later passes need to know of these rows; nothing where there are no later ones."""
    if observed[name].flags.writeable:
        observed[name][rows] = values


def _kept(observed: Table, name: str, rows: Array) -> Array:
    """What earlier passes wrote down of these rows; a view of one element where there were none."""
    return _at(observed[name], rows)


def _at(column: Array, rows: Array) -> Array:
    """Some rows of a column that is writeable, or a view of one element."""
    return column[rows] if column.flags.writeable else np.broadcast_to(column[:1], len(rows))


def _kernel_places(observed: Table, seen: Sightings) -> Array:
    """For each sighting its namespace as the event or a packet socket has it, as `_Placing.known` codes it."""
    netns = observed["netns"]
    if netns.strides == (0,) and not (len(netns) and netns[0]):
        return np.zeros(len(seen), dtype=np.int64)
    values = netns[seen.rows].astype(np.int64)
    by = np.full(len(values), KNOWN_BY.index(locate.KERNEL) << 32)
    if "by_socket" in observed:
        by[observed["by_socket"][seen.rows]] = KNOWN_BY.index(locate.SOCKET) << 32
    values[values != 0] |= by[values != 0]
    return values


def _gone_on(observed: Table, seen: Sightings, cuts: chaining.Cuts, topology: Topology | None) -> Array:
    """Steps of a frame that a program wrote to a tap, where it can't have sent or written there another one itself.

    It can where its own namespace has a device of that name; and to a tap it can write from anywhere.
    """
    result = np.zeros(len(seen), dtype=bool)
    rows = np.flatnonzero(cuts.handed_on & (cuts.rule == rules.JOINED))
    if topology is None or not len(rows):
        return result
    own = np.where(seen.tx[rows], observed["task_netns"][seen.rows[rows]].astype(np.int64), -1)
    pairs, which = np.unique(np.stack((seen.dev[rows].astype(np.int64), own)), axis=1, return_inverse=True)
    devices = observed.names["dev"]
    able = [topology.reaches(netns, devices[dev] or "") for dev, netns in pairs.T.tolist()]
    result[rows] = ~np.array(able)[which.reshape(-1)]
    return result


@dataclass(slots=True)
class _Placing:
    """Solves the distinct paths of a pass.

    known: for each sighting the namespace known beforehand, the evidence (KNOWN_BY) above bit 32, 0 for none.
    trusted: sightings whose process may tell where they are. told: first hops whose requests told where they are.
    """

    observed: Table
    seen: Sightings
    spots: chaining.Spots
    cuts: chaining.Cuts
    locator: Locator
    known: Array
    trusted: Array
    losses: Losses
    told: Array
    reply_ns: int

    def solved(self) -> tuple[Chains, list[Located]]:
        """Chains and their places. Chains that are impossible as a whole are cut where they must be (in `cuts`)."""
        chains = self._chains(self._with_senders())
        located = self._solve(chains)
        wrong = [number for number, each in enumerate(located) if each.contradicted]
        if wrong and self._recut(chains, wrong):
            chains = self._chains(self._with_senders())
            located = self._solve(chains)
        return chains, located

    def answered(self, chains: Chains, located: list[Located], pairs: Pairs) -> tuple[Chains, list[Located]]:
        """The same, with replies beginning in the namespace where their requests ended."""
        where = self.endings(chains, located)[pairs.request]
        lost = self.beginnings(chains, located)[pairs.reply] == 0
        first = self.seen.rows[chains.starts]
        decided = self.observed["_request"][first[pairs.reply]] >= 0  # what it told then is in `told`
        decided |= self.observed["_request"][first[pairs.request]] >= 0  # a reply asks nothing
        useful = np.flatnonzero(pairs.direct & lost & (where != 0) & ~decided & ~chance(self.seen, chains, pairs))
        if len(useful):
            settled = (self.observed["_reply"][first] >= 0) | (self.observed["_request"][first] >= 0)
            useful = useful[unrivalled(self.seen, chains, pairs, settled, self.reply_ns)[useful]]
        if not len(useful):
            return chains, located
        known = self._with_senders()
        known[chains.starts[pairs.reply[useful]]] = where[useful] | KNOWN_BY.index(locate.LINK) << 32
        self.told = np.array(self.told)  # it may be a view
        self.told[chains.starts[pairs.reply[useful]]] = where[useful]
        again = self._chains(known)
        return again, self._solve(again)

    def endings(self, chains: Chains, located: list[Located]) -> Array:
        """The namespace each chain ended in for certain, 0 where unknown."""
        return np.array([self._ending(each) for each in located], dtype=np.int64)[chains.path]

    def _ending(self, located: Located) -> int:
        spot = located.spots[-1]
        topology = self.locator.topology
        if topology is None or not spot.netns or not spot.places:
            return 0
        places = topology.places
        senders = located.spots[-2].places if len(located.spots) > 1 else frozenset()
        if senders:
            told = [topology.handed_to(places[to], places[each]) for to in spot.places for each in senders]
        else:
            told = [topology.receivers(places[to]) for to in spot.places]
        receivers = frozenset().union(*told)
        return next(iter(receivers)) if len(receivers) == 1 else 0

    def beginnings(self, chains: Chains, located: list[Located]) -> Array:
        """The namespace each chain began in, 0 where unknown."""
        return np.array([each.spots[0].netns for each in located], dtype=np.int64)[chains.path]

    def _chains(self, known: Array) -> Chains:
        self.known = known
        loose = ~self.cuts.firm & (self.cuts.rule == rules.JOINED)
        labels = [self.spots.of, *(each for each in (known, loose) if each.any())]
        return grouped(self.cuts.rule != rules.JOINED, *labels)

    def _with_senders(self) -> Array:
        """What is known beforehand, with the senders' namespaces at the first hops that processes sent."""
        seen_there = np.isin(self.known >> 32, (KNOWN_BY.index(locate.KERNEL), KNOWN_BY.index(locate.SOCKET)))
        known = np.zeros(len(self.known), dtype=np.int64)
        known[seen_there] = self.known[seen_there]  # only what the kernel or a socket said
        cut = self.cuts.rule
        starts = np.flatnonzero((cut != rules.JOINED) & ~np.isin(cut, NO_START) & ~self.cuts.inner)
        seen = self.seen
        sent = starts[seen.tx[starts] & (seen.context[starts] == PROCESS) & self.trusted[starts] & (known[starts] == 0)]
        if len(sent) and self.losses:
            time = seen.time[sent]
            sent = sent[~self.losses.overlap(time - LOSS_MARGIN_NS, time, seen.cpu[sent])]
        netns = self.observed["task_netns"][seen.rows[sent]].astype(np.int64)
        asks = among(seen.length[sent], rules.NEIGHBOUR + rules.ETHERNET)
        by = np.where(asks, KNOWN_BY.index(ASKING), KNOWN_BY.index(locate.CONTEXT))
        known[sent] = np.where(netns != 0, netns | by << 32, 0)
        told = np.flatnonzero(self.told)
        known[told] = self.told[told] | KNOWN_BY.index(locate.LINK) << 32
        return known

    def _solve(self, chains: Chains) -> list[Located]:
        return [self.locator.solve(self._steps(chains.hops_of(path))) for path in range(len(chains.example))]

    def _steps(self, hops: slice) -> tuple[locate.Step, ...]:
        texts = self.observed.names["dev"]
        spots = self.spots.of[hops]
        return tuple(
            _step(texts[dev], tx, era, known, firm)
            for dev, tx, era, known, firm in zip(
                self.spots.dev[spots].tolist(),
                IS_TX[self.spots.kind[spots]].tolist(),
                self.spots.era[spots].tolist(),
                self.known[hops].tolist(),
                (self.cuts.firm[hops] | (self.cuts.rule[hops] != rules.JOINED)).tolist(),
                strict=True,
            )
        )

    def ways(self, chains: Chains) -> list[tuple[tuple[locate.Step, int], ...]]:
        """The distinct paths as `infer` wants them."""
        slices = [chains.hops_of(path) for path in range(len(chains.example))]
        return [tuple(zip(self._steps(hops), self.seen.kind[hops].tolist(), strict=True)) for hops in slices]

    def _recut(self, chains: Chains, wrong: list[int]) -> bool:
        """Cut the chains of impossible paths. Returns whether any was."""
        concerned = np.flatnonzero(np.repeat(np.isin(chains.path, wrong), chains.sizes))
        cut, strong = self.cuts.rule, self.cuts.strong
        labels = (self.spots.of[concerned], self.known[concerned], strong[concerned])
        part = grouped(cut[concerned] != rules.JOINED, *labels)
        positions: list[Array] = []
        for path in range(len(part.example)):
            hops = part.hops_of(path)
            whole = slice(int(concerned[hops.start]), int(concerned[hops.stop - 1]) + 1)
            if where := split.cuts(self._steps(whole), strong[whole].tolist(), self.locator):
                starts = concerned[part.starts[part.path == path]]
                positions += [starts + offset for offset in where]
        for each in positions:
            cut[each] = rules.IMPOSSIBLE
        return bool(positions)


def _step(dev: str | None, tx: bool, era: int, known: int, firm: bool) -> locate.Step:
    by = KNOWN_BY[known >> 32]
    asks = by == ASKING
    return locate.Step(dev, tx, era, known & 0xFFFFFFFF, locate.CONTEXT if asks else by, firm, asks)


def _complete(seen: Sightings, cut: Array, chains: Chains, losses: Losses) -> Array:
    """For each chain, whether no loss can have taken hops of it."""
    complete = np.ones(len(chains.starts), dtype=bool)
    if not losses:
        return complete
    if losses.anywhere:
        return ~complete
    first, last = chains.starts, chains.starts + chains.sizes - 1
    complete &= cut[first] != rules.LOSS
    follower = np.minimum(last + 1, len(cut) - 1)
    complete &= (follower == last) | ~seen.follows[follower] | (cut[follower] != rules.LOSS)
    start, end = seen.time[first], seen.time[last]
    complete &= ~losses.overlap(start - LOSS_MARGIN_NS, start, seen.cpu[first])
    complete &= ~losses.overlap(end, end + LOSS_MARGIN_NS, seen.cpu[last])
    return complete
