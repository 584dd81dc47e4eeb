"""Which journeys the user wants to see: filters select whole journeys, never single hops."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from perfpath.journeys.tracker import Result
from perfpath.packets.memo import Memo
from perfpath.packets.truth import FALSE, TRUE, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterable

    from perfpath.firstbytes import FirstBytes
    from perfpath.packets.filters import Wanted
    from perfpath.tables import Array, Table


@dataclass(frozen=True, slots=True)
class Selection:
    """What a journey must have; an empty set, None or 0 asks for nothing.

    dev, event, comm: names; netns: names or inode numbers as text; skb: addresses; pid: process or thread ids. Each
    asks for one hop at least with one of these. min_len, max_len: some hop's length (bytes) lies between.
    content: what packets must say at one of their hops (before or after NAT); each asks by itself.
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
    content: tuple[Wanted, ...] = ()

    @property
    def everything(self) -> bool:
        """True where all journeys are wanted."""
        return self == Selection()


@dataclass(slots=True)
class Selector:
    """Applies a selection to results as they come, and counts.

    packets: first bytes, where the recording has some. seen, kept: how many journeys there were and how many were
    wanted. undecided: how many more may have been: too little of their packets is known.
    """

    wanted: Selection = field(default_factory=Selection)
    packets: FirstBytes | None = None
    seen: int = 0
    kept: int = 0
    undecided: int = 0
    _answers: tuple[Memo, ...] = ()

    def __post_init__(self) -> None:
        if self.packets is not None:
            self._answers = tuple(Memo(self.packets, each.truth, np.uint8) for each in self.wanted.content)

    def apply(self, result: Result, *, count: bool = True) -> Result:
        """The wanted journeys with all their hops."""
        if self.wanted.everything:
            chosen, open_questions = result, 0
        else:
            mask = matching(result, self.wanted)
            answer = self._says(result)
            rows = np.flatnonzero(mask & (answer == TRUE))
            open_questions = int(np.count_nonzero(mask & (answer == UNKNOWN)))
            keep = np.isin(result.hops["journey"], result.journeys["journey"][rows])
            chosen = Result(result.hops.take(keep), result.journeys.take(rows))
        if count:
            self.seen += len(result.journeys)
            self.kept += len(chosen.journeys)
            self.undecided += open_questions
        return chosen

    def _says(self, result: Result) -> Array:
        """uint8 for each journey, whether its packets say what is wanted: at one hop at least for each filter."""
        answer = np.full(len(result.journeys), TRUE)
        if not self.wanted.content:
            return answer
        of = np.searchsorted(result.journeys["journey"], result.hops["journey"])
        number = result.hops["packet"] if "packet" in result.hops else np.full(len(of), -1, np.int64)
        bare = np.bincount(of, number >= 0, len(answer)) == 0
        for memo in self._answers:
            one = np.full(len(answer), FALSE)
            np.maximum.at(one, of, np.where(number >= 0, memo.of(number), FALSE))
            answer = np.minimum(answer, np.where(bare, UNKNOWN, one))
        return answer if self._answers else np.full(len(answer), UNKNOWN)


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
