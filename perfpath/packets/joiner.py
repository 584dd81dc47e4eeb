"""Events and sightings as they come, joined: EVENTS with the namespaces and bytes that packet sockets saw."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perfpath.firstbytes import FirstBytes
from perfpath.packets.doubled import doubled, shown_again
from perfpath.packets.join import join
from perfpath.packets.unheard import Unheard
from perfpath.tables import concatenated

if TYPE_CHECKING:
    from perfpath.diagnostics import Diagnostics
    from perfpath.tables import Array, Table

LAG_NS = 10_000_000
"""So long after an event its sighting may still come."""
CONTEXT_NS = 20_000_000
"""So much of what was given already is looked at again, for the order in which things happened."""
MIN_ROWS = 8192
"""With more, as many new ones as were given already are waited for: nobody sees the difference in a flood."""
_EVER = np.iinfo(np.int64).max


class Joiner:
    """Holds events until their sightings must have come.

    packets: where the bytes go. whole: the events are those of the whole system, with nothing filtered away. The
    diagnostics get how many hops found no sighting, and how many packets no event told of, where that is certain.
    """

    def __init__(self, packets: FirstBytes, diagnostics: Diagnostics, *, whole: bool = False) -> None:
        self._packets = packets
        self._diagnostics = diagnostics
        self._events: Table | None = None  # those given before, then those held
        self._given = 0
        self._unheard = Unheard() if whole else None
        self._seen: Table | None = None
        self._bytes = FirstBytes()  # of sightings, which are sorted again and again without them
        self.joined = self.unjoined = 0

    def feed(self, events: Table, sightings: Table, until_ns: int) -> Table:
        """The next EVENTS, in time order, and SIGHTINGS; gives the events that can be told by now.

        until_ns: all sightings up to this moment have been given.
        """
        self._take(events, sightings)
        return self._give(until_ns - LAG_NS)

    def close(self, events: Table, sightings: Table) -> Table:
        """The last ones; gives all that is left."""
        self._take(events, sightings)
        found = self._give(_EVER)
        if self._unheard is not None:
            self._unheard.report(self._diagnostics)
        if self.unjoined:
            self._diagnostics.note(
                "no-bytes",
                "hops whose packets no packet socket showed for certain: their bytes are not known",
                severity="info",
                count=self.unjoined,
            )
        return found

    def _take(self, events: Table, sightings: Table) -> None:
        if self._unheard is not None:
            self._unheard.see(events, sightings)
        if len(events) or self._events is None:
            self._events = events if self._events is None else concatenated([self._events, events])
        first = self._bytes.add(sightings["packet"])
        sightings = sightings.extended(
            packet=np.arange(first, first + len(sightings)),
            network=sightings["packet"]["network"].copy(),
            _used=np.zeros(len(sightings), bool),
        )
        if len(sightings) or self._seen is None:
            seen = sightings if self._seen is None else concatenated([self._seen, sightings])
            self._seen = seen.take(np.argsort(seen["time_ns"], kind="stable"))

    def _give(self, until_ns: int) -> Table:
        events, seen = self._events, self._seen
        assert events is not None and seen is not None  # noqa: S101, PT018 - `_take` came before
        ready = int(np.searchsorted(events["time_ns"], until_ns, side="right"))
        new = ready - self._given
        if new <= 0 or (new < self._given and ready > MIN_ROWS and until_ns != _EVER):
            return self._placed(events.take(slice(0, 0)), np.empty(0, np.int64), seen, np.zeros(len(seen), bool))
        every = join(events, seen, shown_again(seen, self._raw)).sighting
        sighting = every[self._given : ready]
        found = np.flatnonzero(sighting >= 0)
        sighting[found[seen["_used"][sighting[found]]]] = -1
        seen["_used"][sighting[sighting >= 0]] = True
        given = events.take(slice(self._given, ready))
        self._count(given, sighting)
        used = seen["_used"].copy()
        used[every[every >= 0]] = True
        result = self._placed(given, sighting, seen, doubled(seen, used, self._raw))
        self._forget(events, seen, ready)
        return result

    def _count(self, events: Table, sighting: Array) -> None:
        from perfpath import tracepoints

        main = {event.name for event in tracepoints.MAIN}
        hop = np.array([*(text in main for text in events.names["event"].texts), False])[events["event"]]
        joined = int(np.count_nonzero(sighting >= 0))
        self.joined += joined
        self.unjoined += int(np.count_nonzero(hop)) - joined

    def _forget(self, events: Table, seen: Table, ready: int) -> None:
        oldest = int(events["time_ns"][ready - 1]) - CONTEXT_NS
        since = int(np.searchsorted(events["time_ns"][:ready], oldest))
        self._events, self._given = events.take(slice(since, None)), ready - since
        self._seen = seen.take(slice(int(np.searchsorted(seen["time_ns"], oldest)), None))
        self._bytes.forget(int(self._seen["packet"].min(initial=len(self._bytes))))

    def _raw(self, rows: Array) -> Array:
        """The first bytes of sightings."""
        assert self._seen is not None  # noqa: S101 - for the type checker: these are its rows
        raw: Array = self._bytes.take(self._seen["packet"][rows])["raw"]
        return raw

    def _placed(self, events: Table, sighting: Array, seen: Table, doubtful: Array) -> Table:
        """EVENTS with what their sightings tell; where there is none they stay as they are.

        doubtful: mask over the sightings whose place may be another device's of that name.
        """
        rows = np.flatnonzero(sighting >= 0)
        shown = sighting[rows]
        first = self._packets.add(self._bytes.take(seen["packet"][shown]))
        number = np.full(len(events), -1, np.int64)
        number[rows] = np.arange(first, first + len(rows))
        by_socket = np.zeros(len(events), bool)
        netns, ifindex = events["netns"].copy(), events["ifindex"].copy()
        unknown = (netns[rows] == 0) & ~doubtful[shown]
        by_socket[rows] = unknown
        netns[rows[unknown]] = seen["netns"][shown[unknown]]
        ifindex[rows[unknown]] = seen["ifindex"][shown[unknown]]
        return events.extended(packet=number, by_socket=by_socket, netns=netns, ifindex=ifindex)
