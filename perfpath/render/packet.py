"""What a packet is, in words and as values: `#17146.001 172.17.0.1 -> 172.17.0.2`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from perfpath.escape import visible
from perfpath.render.decisions import decisions_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from perfpath.tables import Table

TEXTS = ("src", "dst", "l4", "message")
NUMBERS = ("sport", "dport", "icmp_id", "icmp_seq")
FACTS = ("src", "dst", "l4", *NUMBERS)


def words(journeys: Table) -> list[str]:
    """A line for each journey, "" where nothing is known of its packet."""
    return [_words(*each) for each in _rows(journeys, (*TEXTS, *NUMBERS))]


def as_json(journeys: Table) -> list[str]:
    """The facts known of each journey's packet as a JSON object, `null` where there are none."""
    if "src" not in journeys:
        return ["null"] * len(journeys)
    found = []
    for values in _rows(journeys, FACTS):
        known = {name: value for name, value in zip(FACTS, values, strict=True) if value not in (None, -1)}
        found.append(json.dumps(known) if known else "null")
    return found


def around(table: Table) -> list[str]:
    """What is around the packet on each hop, in words: `vlan 5 | vxlan 42 192.0.2.1 -> 192.0.2.2`; "" for nothing."""
    return [" | ".join(map(_wrapped, wrappings)) for wrappings in decisions_in(table, "outer")]


def _wrapped(said: dict[str, Any]) -> str:
    ends = f"{said['src']} -> {said['dst']}" if "src" in said and "dst" in said else ""
    return visible(" ".join(filter(None, (said["kind"], str(said.get("id", "")), ends))))


def _rows(journeys: Table, columns: tuple[str, ...]) -> Iterator[tuple[str | int | None, ...]]:
    nothing = [None] * len(journeys)
    values: list[list[str | None] | list[int] | list[None]] = []
    for name in columns:
        if name not in journeys:
            values.append(nothing if name in TEXTS else [-1] * len(journeys))
        else:
            values.append(journeys.texts(name) if name in TEXTS else journeys[name].tolist())
    return zip(*values, strict=True)


def _words(  # noqa: PLR0917 - the columns in their order
    src: str | int | None,
    dst: str | int | None,
    l4: str | int | None,
    message: str | int | None,
    sport: str | int | None,
    dport: str | int | None,
    icmp_id: str | int | None,
    icmp_seq: str | int | None,
) -> str:
    echo = l4 in ("icmp", "icmp6") and isinstance(icmp_seq, int) and icmp_seq >= 0
    what = str(message or "")
    if echo and " echo re" in what:
        what = ""
    if echo:
        what = f"{what} #{icmp_id}.{icmp_seq:03d}".lstrip()
    ends = f"{_end(src, sport)} -> {_end(dst, dport)}" if src and dst else ""
    return visible(" ".join(filter(None, (what, ends))))


def _end(address: str | int | None, port: str | int | None) -> str:
    text = str(address)
    if not isinstance(port, int) or port < 0:
        return text
    return f"[{text}]:{port}" if ":" in text else f"{text}:{port}"
