r"""One journey a line: the format for programs, and a contract. Version 1:

    {"journey": 0, "skbaddr": "0xffff96d481988700", "start_ns": 0, "end_ns": 20000, "role": "request", "peer": 1,
     "packet": null, "outcome": null, "complete": true,
     "hops": [{"time_ns": 0, "event": "net_dev_queue", "direction": "tx", "dev": "docker0", "len": 98,
               "cpu": 0, "pid": 2563, "comm": "ping",
               "netns": {"inum": 4026531957, "name": "host"}, "evidence": "unique-name"}]}

Times are integer nanoseconds of the recording's clock. What isn't known is null. A hop that may be in one of several
namespaces has "netns": null, "evidence": null and, after them, "candidates": [{"inum": ..., "name": ...}, ...].
Keys may be added; none changes its meaning without a new version. Everything is ASCII: other characters come as \u
escapes, and a byte of a name that isn't UTF-8 as the four characters \xNN.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from perfpath.escape import visible
from perfpath.render.groups import bounds, distinct

if TYPE_CHECKING:
    from collections.abc import Iterator

    from perfpath.diagnostics import Diagnostics
    from perfpath.journeys.tracker import Result, Update
    from perfpath.render.console import Sink
    from perfpath.render.places import Namer
    from perfpath.render.summary import Tally
    from perfpath.tables import Table

VERSION = 1
CHUNK = 16384  # journeys formatted at once: bounds the memory, and keeps it in the caches


class JsonLinesWriter:
    """Writes journeys when they can't grow any more."""

    def __init__(self, stream: Sink, namer: Namer) -> None:
        self._stream = stream
        self._namer = namer

    def show(self, update: Update) -> None:
        """Write the closed journeys."""
        for texts in lines(update.closed, self._namer):
            texts.append("")
            self._stream.write("\n".join(texts))
        self._stream.flush()

    def end(self, tally: Tally, diagnostics: Diagnostics) -> None:
        """Nothing more: the summary goes elsewhere."""


def lines(result: Result, namer: Namer) -> Iterator[list[str]]:
    """The journeys as JSON objects without line breaks, some thousand at a time."""
    edges = bounds(result.hops, result.journeys)
    for start in range(0, len(result.journeys), CHUNK):
        rows = slice(start, start + CHUNK)
        part = edges[start : start + CHUNK + 1]
        texts = _hops(result.hops.take(slice(part[0], part[-1])), namer)
        yield _journeys(result.journeys.take(rows), texts, (part - part[0]).tolist())


def plain_json(value: Any) -> Any:
    """A tree of JSON values with what UTF-8 can't carry (surrogates) made visible."""
    if isinstance(value, str):
        return "".join(visible(char) if "\ud800" <= char <= "\udfff" else char for char in value)
    if isinstance(value, dict):
        return {plain_json(key): plain_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_json(item) for item in value]
    return value


def _text(value: str | None) -> str:
    return json.dumps(plain_json(value))


def _journeys(journeys: Table, hops: list[str], edges: list[int]) -> list[str]:
    roles = [_text(text) for text in (*journeys.names["role"].texts, None)]
    columns = ("journey", "skbaddr", "start_ns", "end_ns", "role", "peer", "complete")
    return [
        f'{{"journey": {journey}, "skbaddr": "{skbaddr:#x}", "start_ns": {start}, "end_ns": {end}, '
        f'"role": {roles[role]}, "peer": {peer if peer >= 0 else "null"}, "packet": null, "outcome": null, '
        f'"complete": {"true" if complete else "false"}, "hops": [{", ".join(hops[begin:stop])}]}}'
        for journey, skbaddr, start, end, role, peer, complete, begin, stop in zip(
            *(journeys[column].tolist() for column in columns), edges, edges[1:], strict=False
        )
    ]


def _hops(hops: Table, namer: Namer) -> list[str]:
    first, before = distinct(hops["event"], hops["direction"], hops["dev"])
    heads = [_head(hops, row) for row in first]
    first, after = distinct(
        *(hops[column] for column in ("cpu", "pid", "comm", "netns", "netns_name", "evidence", "candidates"))
    )
    tails = [_tail(hops, row, namer) for row in first]
    return [
        f'{{"time_ns": {time}{heads[head]}{length or "null"}{tails[tail]}'
        for time, head, length, tail in zip(hops["time_ns"].tolist(), before, hops["len"].tolist(), after, strict=True)
    ]


def _head(hops: Table, row: int) -> str:
    event, direction, dev = (_text(hops.names[name][hops[name][row]]) for name in ("event", "direction", "dev"))
    return f', "event": {event}, "direction": {direction}, "dev": {dev}, "len": '


def _tail(hops: Table, row: int, namer: Namer) -> str:
    cpu, pid, inum = (int(hops[name][row]) for name in ("cpu", "pid", "netns"))
    comm, name, evidence, candidates = (
        hops.names[column][hops[column][row]] for column in ("comm", "netns_name", "evidence", "candidates")
    )
    netns = {"inum": inum or None, "name": name} if inum or name else None
    values: dict[str, Any] = {
        "cpu": cpu if cpu >= 0 else None,
        "pid": pid if pid >= 0 else None,
        "comm": comm,
        "netns": netns,
        "evidence": evidence,
    }
    if candidates:
        values["candidates"] = [candidate._asdict() for candidate in namer.candidates(candidates)]
    return ", " + json.dumps(plain_json(values))[1:]
