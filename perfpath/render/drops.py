"""Where packets were dropped, why, and what to look at next: values for the few kinds of drops of a result."""

from __future__ import annotations

import ipaddress
import shlex
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from perfpath.catalogue import entries
from perfpath.escape import visible
from perfpath.render.groups import bounds, distinct
from perfpath.render.places import UNKNOWN
from perfpath.tracepoints import DROPS

if TYPE_CHECKING:
    from perfpath.journeys.tracker import Result
    from perfpath.readers.recording import Info
    from perfpath.render.places import Namer
    from perfpath.tables import Array, Table

DROPPED = "dropped"
TELLING = tuple(name.rpartition(":")[2] for name in DROPS)
NOT_RECORDED = (
    "whether packets were dropped can't be told: skb:kfree_skb was not recorded (perfpath records it; with perf: "
    "perf record -a -e 'net:*' -e skb:kfree_skb)"
)


class Drop(NamedTuple):
    """One kind of drop; texts are escaped.

    reason, location, hook: "" where unknown. place: the namespace's label. dev: the last device that saw the packet,
    "" where none did. sender: the process whose packets no device saw, "" otherwise. meaning: what happened, in words.
    look: what to look at next. harmless: seen on healthy hosts too.
    """

    reason: str
    location: str
    hook: str
    place: str
    dev: str
    sender: str
    meaning: str
    look: tuple[str, ...]
    harmless: bool

    @property
    def title(self) -> str:
        """`NETFILTER_DROP at INPUT in nft_do_chain+0x3e8`."""
        where = " ".join(f"{word} {text}" for word, text in (("at", self.hook), ("in", self.location)) if text)
        return f"{self.reason or 'no reason recorded'} {where}".rstrip()

    @property
    def after(self) -> str:
        """`after eth0 in web`, `before any device in web`."""
        return f"after {self.dev} in {self.place}" if self.dev else f"before any device in {self.place}"


def tells_of_drops(info: Info) -> bool:
    """Whether a recording would have shown drops. (A text names no events but those that it shows.)"""
    return any(event.rpartition(":")[2] in TELLING for event in info.events)


def drops_of(result: Result, namer: Namer) -> tuple[list[Drop], Array, Array]:
    """(kinds, rows, codes): the kinds of drops, the rows of JOURNEYS that were dropped, and the kind of each."""
    journeys, rows = result.journeys, _dropped(result.journeys)
    if not len(rows):
        return [], rows, rows
    ends = bounds(result.hops, journeys)[rows + 1] - 1
    seen = journeys["hops"][rows] > 0
    dev = np.full(len(rows), -1, dtype=np.int64)
    dev[seen] = result.hops["dev"][ends[seen]]
    columns = [journeys[name][rows] for name in ("reason", "location", "hook", "end_netns", "end_netns_name")]
    sender, unicast = np.where(seen, -1, journeys["end_comm"][rows]), _unicast(journeys, rows)
    first, codes = distinct(*columns, dev, sender, seen.astype(np.int64), unicast)
    return [_drop(result, int(rows[at]), int(dev[at]), namer, unicast=bool(unicast[at])) for at in first], rows, codes


def harmless_rows(result: Result) -> Array:
    """Which rows of JOURNEYS were dropped as packets are on healthy hosts too, as a mask."""
    journeys, mask = result.journeys, np.zeros(len(result.journeys), dtype=bool)
    rows = _dropped(journeys)
    if len(rows):
        unicast = _unicast(journeys, rows)
        first, codes = distinct(journeys["reason"][rows], journeys["location"][rows], unicast)
        texts = [
            [journeys.names[name][journeys[name][rows[at]]] or "" for name in ("reason", "location")] for at in first
        ]
        known = zip(texts, unicast[first].tolist(), strict=True)
        mask[rows] = np.array([entries.meant(*each, unicast=bool(one)).harmless for each, one in known])[codes]
    return mask


def _dropped(journeys: Table) -> Array:
    code = journeys.names["outcome"].find(DROPPED)
    return np.flatnonzero(journeys["outcome"] == code) if code >= 0 else np.zeros(0, dtype=np.int64)


def _unicast(journeys: Table, rows: Array) -> Array:
    """For each of these rows 1 where the packet is known to have been for a unicast address, else 0."""
    if "dst" not in journeys:
        return np.zeros(len(rows), dtype=np.int64)
    codes = journeys["dst"][rows]
    first, kinds = distinct(codes)
    texts = [journeys.names["dst"][codes[at]] for at in first]
    return np.array([int(text is not None and _is_unicast(text)) for text in texts], dtype=np.int64)[kinds]


def _is_unicast(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return not address.is_multicast and int(address) != (1 << 32) - 1


def _drop(result: Result, row: int, dev: int, namer: Namer, *, unicast: bool) -> Drop:
    journeys = result.journeys
    reason, location, hook, name, comm = (
        journeys.names[column][journeys[column][row]] or ""
        for column in ("reason", "location", "hook", "end_netns_name", "end_comm")
    )
    netns, seen = int(journeys["end_netns"][row]), bool(journeys["hops"][row])
    device = (result.hops.names["dev"][dev] or UNKNOWN) if seen else ""
    given = {
        "enter": namer.enter(netns, name),
        "netns": name or (str(netns) if netns else ""),
        "dev": device,
        "hook": f"hook {hook}" if hook else "",
        "location": location,
        "function": entries.function_of(location),
        **_addresses(result, row),
    }
    entry = entries.meant(reason, location, unicast=unicast)
    return Drop(
        reason=visible(reason),
        location=visible(location),
        hook=visible(hook),
        place=namer.label(netns, name),
        dev=visible(device),
        sender="" if seen else visible(comm),
        meaning=visible(entries.filled(entry.meaning, given)),
        look=tuple(visible(entries.filled(text, given | _quoted(given))) for text in entry.look),
        harmless=entry.harmless,
    )


def _quoted(given: dict[str, str]) -> dict[str, str]:
    """What may stand in a command that somebody pastes into a shell."""
    return {name: shlex.quote(given[name]) for name in ("dev", "netns") if given[name]}


def _addresses(result: Result, row: int) -> dict[str, str]:
    journeys = result.journeys
    found = {}
    for name, column in (("source", "src"), ("destination", "dst")):
        if column in journeys and (text := journeys.names[column][journeys[column][row]]):
            found[name] = text
    return found
