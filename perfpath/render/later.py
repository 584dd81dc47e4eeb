"""What was decided about hops that had been shown already: some decisions can be joined only when more is known."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from perfpath.render.hops import hops_of

if TYPE_CHECKING:
    from perfpath.journeys.tracker import Update
    from perfpath.render.places import Namer
    from perfpath.tables import Array, Table

HOP_BITS = 16


class Late(NamedTuple):
    """Decisions about a hop of a journey that came after the hop was shown; texts are escaped."""

    journey: int
    dev: str
    place: str
    texts: tuple[str, ...]


class Later:
    """Remembers what was said of each hop that has decisions, as long as its journey is open."""

    def __init__(self, namer: Namer) -> None:
        self._namer = namer
        self._keys: Array = np.zeros(0, np.int64)  # ascending
        self._said: Array = np.zeros(0, np.int64)  # codes of `decisions`

    def news(self, update: Update, fresh: Table) -> list[Late]:
        """What is new about hops shown in earlier updates. fresh: the hops that are shown now."""
        tables = [result.hops for result in (update.closed, update.open)]
        late = [each for hops in tables if "decisions" in hops for each in self._of(_decided(hops), _keys(fresh))]
        still = _decided(tables[1]) if "decisions" in tables[1] else tables[1].take(slice(0, 0))
        keys, order = np.unique(_keys(still), return_index=True)
        self._keys = keys
        self._said = still["decisions"][order].astype(np.int64) if len(keys) else np.zeros(0, np.int64)
        return late

    def _of(self, hops: Table, now: Array) -> list[Late]:
        """What is new about these hops, all of which have decisions, but not those shown now."""
        keys = _keys(hops)
        at = np.searchsorted(self._keys, keys).clip(max=max(len(self._keys) - 1, 0))
        before = np.full(len(keys), -1, np.int64)
        if len(self._keys):
            before = np.where(self._keys[at] == keys, self._said[at], -1)
        rows = np.flatnonzero((hops["decisions"] != before) & ~np.isin(keys, now))
        texts = hops.names["decisions"].texts
        told = [len(json.loads(texts[code])) if code >= 0 else 0 for code in before[rows].tolist()]
        found = zip(hops_of(hops.take(rows), self._namer), told, strict=True) if len(rows) else ()
        return [Late(hop.journey, hop.dev, hop.place, hop.decisions[number:]) for hop, number in found]


def _decided(hops: Table) -> Table:
    """The hops that have decisions."""
    return hops.take(np.flatnonzero(hops["decisions"] >= 0))


def _keys(hops: Table) -> Array:
    """One number for each hop."""
    result: Array = (hops["journey"].astype(np.int64) << HOP_BITS) | hops["hop"]
    return result
