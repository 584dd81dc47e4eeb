"""A pass as tables: HOPS and JOURNEYS with the columns the schema declares."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from perfpath import schema
from perfpath.journeys import locate, rules
from perfpath.journeys.fold import folded
from perfpath.journeys.observe import IS_TX
from perfpath.tables import Later, Names, Table, narrow

if TYPE_CHECKING:
    from perfpath.journeys.engine import Pass
    from perfpath.tables import Array

EVIDENCE = (locate.KERNEL, locate.SOCKET, locate.CONTEXT, locate.UNIQUE, locate.LINK, locate.INFERRED)
EVENT_COLUMNS = tuple(column.name for column in schema.EVENTS)
REQUEST, REPLY = 0, 1


@dataclass(slots=True)
class Roles:
    """For each chain the journey that answers it, and the one it answers, by their numbers; -1 for none.

    parent, lineage: the journey it was made of, and what it is to that (a code of the builder's names); -1 likewise.
    """

    reply: Array
    request: Array
    parent: Array
    lineage: Array


@dataclass(slots=True)
class Builder:
    """Makes tables; all it makes share their names and the numbers of distinct paths."""

    _names: dict[str, Names] = field(
        default_factory=lambda: {
            "direction": Names(("tx", "rx")),
            "evidence": Names(EVIDENCE),
            "netns_name": Names(),
            "candidates": Names(),
            "role": Names(("request", "reply")),
            "cut": Names(rules.RULES[rules.FREE :]),
            "lineage": Names(),
        }
    )
    _paths: dict[tuple[object, ...], int] = field(default_factory=dict)

    def tables(self, done: Pass, number: Array, roles: Roles, chosen: Array, *, fallback: bool) -> tuple[Table, Table]:
        """(HOPS, JOURNEYS) of the chosen chains.

        number: the journey's, for each chain. chosen: chains in the order of their numbers.
        """
        chains = done.chains
        starts, sizes = chains.starts[chosen], chains.sizes[chosen]
        offsets = np.cumsum(sizes) - sizes
        at = np.arange(int(sizes.sum()), dtype=narrow(len(done.seen)))
        hop = (at - np.repeat(offsets.astype(at.dtype), sizes)).astype(np.int32, copy=False)
        at += np.repeat((starts - offsets).astype(at.dtype), sizes)
        rows = done.seen.rows[at].astype(narrow(len(done.observed)))
        del at, starts, sizes, offsets
        hops = self._hops(done, number, chosen, rows, hop, fallback=fallback)
        return hops, self._journeys(done, number, roles, chosen)

    def _hops(self, done: Pass, number: Array, chosen: Array, rows: Array, hop: Array, *, fallback: bool) -> Table:
        """HOPS. What is made later holds single columns only: a whole pass is three times as large."""
        observed, chains = done.observed, done.chains
        kind, time, sizes, journey = observed["_kind"], observed["time_ns"], chains.sizes[chosen], number[chosen]
        columns: dict[str, Array | Later] = {
            name: gathered(observed[name], rows) for name in EVENT_COLUMNS if name in observed
        }
        columns |= {name: gathered(column, rows) for name, column in folded(observed, fallback=fallback).items()}
        columns |= {
            "journey": Later(lambda: np.repeat(journey, sizes)),
            "hop": hop,
            "direction": Later(lambda: np.where(IS_TX[kind[rows]], np.int32(0), np.int32(1))),
            "delta_ns": Later(lambda: _deltas(time[rows], hop)),
        }
        columns |= self._places(done, chains.path[chosen], sizes, hop)
        names = {
            **observed.names,
            **{name: self._names[name] for name in ("direction", "netns_name", "evidence", "candidates")},
        }
        return Table.filled(schema.HOPS, len(rows), names, **columns)

    def _places(self, done: Pass, path: Array, sizes: Array, hop: Array) -> dict[str, Array | Later]:
        spots = [spot for located in done.located for spot in located.spots]
        offsets = np.cumsum([0, *(len(located.spots) for located in done.located)])
        which = np.repeat(offsets[path].astype(hop.dtype), sizes) + hop
        texts, candidates = self._names["netns_name"], self._names["candidates"]
        netns = np.array([spot.netns for spot in spots], dtype=np.uint32)
        named = np.array([-1 if spot.name is None else texts.code(spot.name) for spot in spots], dtype=np.int32)
        evidence = np.array([EVIDENCE.index(spot.evidence) if spot.evidence else -1 for spot in spots], dtype=np.int32)
        left = np.array(
            [candidates.code(",".join(map(str, spot.candidates))) if spot.candidates else -1 for spot in spots],
            dtype=np.int32,
        )
        columns = {"netns": netns, "netns_name": named, "evidence": evidence, "candidates": left}
        return {name: gathered(column, which) for name, column in columns.items()}

    def _journeys(self, done: Pass, number: Array, roles: Roles, chosen: Array) -> Table:
        seen, chains = done.seen, done.chains
        first = chains.starts[chosen]
        last = first + chains.sizes[chosen] - 1
        reply, request = roles.reply[chosen], roles.request[chosen]
        follower = np.minimum(last + 1, len(seen) - 1)
        cut = np.where((follower > last) & seen.follows[follower], done.cut[follower], rules.START)
        names = {name: self._names[name] for name in ("role", "cut", "lineage")}
        return Table.filled(
            schema.JOURNEYS,
            len(chosen),
            names,
            journey=number[chosen],
            skbaddr=done.observed["skbaddr"][seen.rows[first]],
            start_ns=seen.time[first],
            end_ns=seen.time[last],
            hops=chains.sizes[chosen],
            path=self._numbered(done, number)[chains.path[chosen]],
            role=np.where(request >= 0, np.int8(REPLY), np.where(reply >= 0, np.int8(REQUEST), np.int8(-1))),
            peer=np.maximum(np.maximum(request, reply), -1),
            parent=gathered(roles.parent, chosen),
            lineage=gathered(roles.lineage, chosen),
            complete=done.complete[chosen],
            uncertain=done.uncertain[chosen],
            cut=np.where((cut <= rules.START) | (cut == rules.GAP), -1, cut - rules.FREE),
        )

    def lineage_codes(self, reasons: tuple[str, ...]) -> Array:
        """The codes of these words in the column `lineage`, and one more: that of -1."""
        return np.array([*(self._names["lineage"].code(text) for text in reasons), -1], dtype=np.int64)

    def _numbered(self, done: Pass, number: Array) -> Array:
        """The number of each distinct path, new ones numbered in the order of their first journeys."""
        chains = done.chains
        first = np.full(len(chains.example), np.iinfo(np.int64).max)
        np.minimum.at(first, chains.path, number.astype(np.int64, copy=False))
        numbers = np.zeros(len(first), dtype=np.int32)
        for path in np.argsort(first, kind="stable").tolist():
            hops = done.seen.rows[chains.hops_of(path)]
            key = (
                *zip(done.observed["event"][hops].tolist(), done.observed["dev"][hops].tolist(), strict=True),
                *((spot.netns, spot.name) for spot in done.located[path].spots),
            )
            numbers[path] = self._paths.setdefault(key, len(self._paths))
        return numbers


def gathered(column: Array, rows: Array) -> Array | Later:
    """The rows of a column, for when somebody asks; one that is the same everywhere becomes a view of one element."""
    if len(column) and (column.strides == (0,) or len(column) == 1):
        return np.broadcast_to(column[:1], len(rows))
    return Later(lambda: column[rows])


def _deltas(time: Array, hop: Array) -> Array:
    delta = rules.since_before(time)
    delta[hop == 0] = 0
    return delta
