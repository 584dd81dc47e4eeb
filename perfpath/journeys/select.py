"""Which journeys the user wants to see: filters select whole journeys, never single hops."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from perfpath.journeys.tracker import Result

if TYPE_CHECKING:
    from collections.abc import Iterable

    from perfpath.tables import Array, Table


@dataclass(frozen=True, slots=True)
class Selection:
    """What a journey must have; an empty set, None or 0 asks for nothing.

    dev, event, comm: names; netns: names or inode numbers as text; skb: addresses; pid: process or thread ids. Each
    asks for one hop at least with one of these. min_len, max_len: some hop's length (bytes) lies between.
    min_hops: at least so many hops; min_latency_ns: from first to last hop; since_ns, until_ns: it was on its way then.
    """

    dev: frozenset[str] = frozenset()
    netns: frozenset[str] = frozenset()
    skb: frozenset[int] = frozenset()
    event: frozenset[str] = frozenset()
    pid: frozenset[int] = frozenset()
    comm: frozenset[str] = frozenset()
    min_len: int | None = None
    max_len: int | None = None
    min_hops: int = 0
    min_latency_ns: int = 0
    since_ns: int | None = None
    until_ns: int | None = None

    @property
    def everything(self) -> bool:
        """True where all journeys are wanted."""
        return self == Selection()


@dataclass(slots=True)
class Selector:
    """Applies a selection to results as they come, and counts.

    seen, kept: how many journeys there were and how many were wanted.
    """

    wanted: Selection = field(default_factory=Selection)
    seen: int = 0
    kept: int = 0

    def apply(self, result: Result, *, count: bool = True) -> Result:
        """The wanted journeys with all their hops."""
        if self.wanted.everything:
            chosen = result
        else:
            mask = matching(result, self.wanted)
            rows = np.flatnonzero(mask)
            keep = np.isin(result.hops["journey"], result.journeys["journey"][rows])
            chosen = Result(result.hops.take(keep), result.journeys.take(rows))
        if count:
            self.seen += len(result.journeys)
            self.kept += len(chosen.journeys)
        return chosen


def matching(result: Result, wanted: Selection) -> Array:
    """A mask over the journeys."""
    journeys, hops = result.journeys, result.hops
    mask = journeys["hops"] >= wanted.min_hops
    mask &= journeys["end_ns"] - journeys["start_ns"] >= wanted.min_latency_ns
    if wanted.since_ns is not None:
        mask &= journeys["end_ns"] >= wanted.since_ns
    if wanted.until_ns is not None:
        mask &= journeys["start_ns"] <= wanted.until_ns
    for of_hops in _hop_masks(hops, wanted):
        mask &= np.isin(journeys["journey"], hops["journey"][of_hops])
    return mask


def _hop_masks(hops: Table, wanted: Selection) -> Iterable[Array]:
    for column in ("dev", "event", "comm"):
        if texts := getattr(wanted, column):
            yield _named(hops, column, texts)
    if wanted.netns:
        inums = [int(text) for text in wanted.netns if text.isdigit()]
        yield _named(hops, "netns_name", wanted.netns) | np.isin(hops["netns"], np.array(inums, dtype=np.uint32))
    if wanted.skb:
        yield np.isin(hops["skbaddr"], np.array(sorted(wanted.skb), dtype=np.uint64))
    if wanted.pid:
        pids = np.array(sorted(wanted.pid))
        yield np.isin(hops["pid"], pids) | np.isin(hops["tid"], pids)
    if wanted.min_len is not None or wanted.max_len is not None:
        yield (hops["len"] >= (wanted.min_len or 0)) & (hops["len"] <= (wanted.max_len or 2**32 - 1))


def _named(hops: Table, column: str, texts: frozenset[str]) -> Array:
    codes = [code for text in texts if (code := hops.names[column].find(text)) >= 0]
    return np.isin(hops[column], np.array(codes, dtype=np.int32))
