"""The lines of the 2017 article, one a hop:

[  4026531957]          docker0 request #17146.001 172.17.0.1 -> 172.17.0.2
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perfpath.escape import visible
from perfpath.render.cells import rjust
from perfpath.render.groups import distinct, of_journeys
from perfpath.render.packet import words
from perfpath.render.places import UNKNOWN
from perfpath.render.progress import Progress

if TYPE_CHECKING:
    from perfpath.diagnostics import Diagnostics
    from perfpath.journeys.tracker import Result, Update
    from perfpath.render.console import Sink
    from perfpath.render.summary import Tally


class PlainWriter:
    """Writes each hop as soon as it is known, those of one update in time order."""

    def __init__(self, stream: Sink) -> None:
        self._stream = stream
        self._progress = Progress()

    def show(self, update: Update) -> None:
        """Write the hops that weren't written before."""
        texts = lines(self._progress.fresh(update))
        if texts:
            self._stream.write("\n".join(texts) + "\n")
            self._stream.flush()

    def end(self, tally: Tally, diagnostics: Diagnostics) -> None:
        """Nothing more: the summary goes elsewhere."""


def lines(result: Result) -> list[str]:
    """A line for each hop, in time order: `[%12s] %16s %7s`, without trailing spaces.

    The first column is the namespace's inode number; where there is none, its name or `?`.
    The packet (`#id.seq src -> dst`) follows the role where JOURNEYS tell it.
    """
    hops, journeys = result.hops, result.journeys
    hops = hops.take(np.argsort(hops["time_ns"], kind="stable"))
    roles = of_journeys(hops, journeys, "role")
    first, codes = distinct(hops["netns"], hops["netns_name"], hops["dev"], roles)
    texts = []
    for row in first:
        name = hops.names["netns_name"][hops["netns_name"][row]]
        place = str(hops["netns"][row]) if hops["netns"][row] else visible(name or UNKNOWN)
        dev = visible(hops.names["dev"][hops["dev"][row]] or UNKNOWN)
        role = journeys.names["role"][roles[row]] or ""
        texts.append(f"[{rjust(place, 12)}] {rjust(dev, 16)} {role:>7}")
    told = words(journeys) if "src" in journeys else []
    if not any(told):
        return [texts[code].rstrip() for code in codes.tolist()]
    packets = np.searchsorted(journeys["journey"], hops["journey"]).tolist()
    return [f"{texts[code]} {told[packet]}".rstrip() for code, packet in zip(codes.tolist(), packets, strict=True)]
