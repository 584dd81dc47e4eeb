"""What became of packets that weren't dropped, in words: delivered, answered, left, merged, copied."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perfpath.escape import visible
from perfpath.render.drops import DROPPED, harmless_rows
from perfpath.render.groups import bounds, distinct
from perfpath.render.places import UNKNOWN
from perfpath.tables import among

if TYPE_CHECKING:
    from collections.abc import Iterable

    from perfpath.journeys.tracker import Result
    from perfpath.tables import Table

ANSWERED = "answered"
HARMLESS, UNSEEN = "dropped as on healthy hosts too", "ends not seen"


def words_of(result: Result, wanted: Iterable[int]) -> dict[int, str]:
    """What became of these journeys: `delivered to nginx/1234`. Only of those that weren't dropped, as far as known.

    Escaped; "" for what was answered, which every packet's own line says.
    """
    journeys, edges = result.journeys, bounds(result.hops, result.journeys)
    numbers = np.sort(np.fromiter(wanted, dtype=np.int64))
    good = (journeys["outcome"] >= 0) & (journeys["outcome"] != journeys.names["outcome"].find(DROPPED))
    rows = np.flatnonzero(good & (journeys["hops"] > 0) & among(journeys["journey"], numbers))
    if not len(rows):
        return {}
    dev = result.hops["dev"][edges[rows + 1] - 1]
    first, codes = distinct(*(journeys[name][rows] for name in ("outcome", "end_pid", "end_comm")), dev)
    texts = [_words(journeys, int(rows[at]), result.hops.names["dev"][dev[at]]) for at in first]
    return dict(zip(journeys["journey"][rows].tolist(), [texts[code] for code in codes.tolist()], strict=True))


def _words(journeys: Table, row: int, dev: str | None) -> str:
    outcome = journeys.names["outcome"][journeys["outcome"][row]] or ""
    comm, pid = journeys.names["end_comm"][journeys["end_comm"][row]], int(journeys["end_pid"][row])
    name = visible(dev or UNKNOWN)
    known = {
        ANSWERED: "",
        "left": f"left this host by {name}",
        "copied": f"handed to the program behind {name}",
        "merged": "merged into a larger packet",
    }
    if outcome == "delivered" and comm:
        return f"delivered to {visible(comm)}{f'/{pid}' if pid >= 0 else ''}"
    return known.get(outcome, visible(outcome))


def cells_of(journeys: Table) -> list[str]:
    """What became of each packet in a word or two: `delivered`, `dropped: NETFILTER_DROP`; escaped, "" unknown."""
    first, codes = distinct(journeys["outcome"], journeys["reason"])
    texts = [
        ": ".join(visible(text) for name in ("outcome", "reason") if (text := journeys.names[name][journeys[name][at]]))
        for at in first
    ]
    return [texts[code] for code in codes.tolist()]


def counts_of(result: Result) -> dict[str, int]:
    """How many journeys came to which end; every one is in one of them."""
    journeys = result.journeys
    outcome = np.where(harmless_rows(result), len(journeys.names["outcome"]), journeys["outcome"])
    names = [UNSEEN, *journeys.names["outcome"].texts, HARMLESS]
    counts = np.bincount(outcome + 1, minlength=len(names)).tolist()
    return {name: packets for name, packets in zip(names, counts, strict=True) if packets}
