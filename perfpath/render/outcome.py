"""What became of packets as JSON: the "outcome" of jsonl, which describes it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from perfpath.escape import visible
from perfpath.render.groups import distinct

if TYPE_CHECKING:
    from collections.abc import Iterator

    from perfpath.tables import Table

WHAT = ("outcome", "reason", "location", "hook")
WHO = ("end_netns", "end_netns_name", "end_pid", "end_comm")


def outcomes_as_json(journeys: Table) -> Iterator[str]:
    """The outcome of each journey, `null` where it isn't known; formatted once for each combination of values."""
    rows, codes = distinct(*(journeys[name] for name in (*WHAT, *WHO)))
    parts = [_parts(journeys, row) for row in rows]
    for code, hops, time in zip(codes.tolist(), journeys["hops"].tolist(), journeys["ended_ns"].tolist(), strict=True):
        head, tail = parts[code]
        after, when = hops - 1 if hops else "null", time if time >= 0 else "null"
        yield f'{head}, "after_hop": {after}, "time_ns": {when}, {tail}' if head else "null"


def _parts(journeys: Table, row: int) -> tuple[str, str]:
    """What stands before the numbers of an outcome, and behind; "" twice where it isn't known."""
    kind, reason, location, hook = (_cell(journeys, name, row) for name in WHAT)
    if kind is None:
        return "", ""
    inum, pid = int(journeys["end_netns"][row]), int(journeys["end_pid"][row])
    name = _cell(journeys, "end_netns_name", row)
    who: dict[str, Any] = {
        "netns": {"inum": inum or None, "name": name} if inum or name else None,
        "pid": pid if pid >= 0 else None,
        "comm": _cell(journeys, "end_comm", row),
    }
    what = {"kind": kind, "reason": reason, "location": location, "hook": hook}
    return json.dumps(what)[:-1], json.dumps(who)[1:]


def _cell(journeys: Table, column: str, row: int) -> str | None:
    text = journeys.names[column][journeys[column][row]]
    return None if text is None else "".join(visible(c) if "\ud800" <= c <= "\udfff" else c for c in text)
