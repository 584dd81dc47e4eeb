r"""One journey a line: the format for programs, and a contract. Version 1:

    {"journey": 0, "skbaddr": "0xffff96d481988700", "start_ns": 0, "end_ns": 20000, "role": "request", "peer": 1,
     "packet": null, "parent": null, "lineage": null, "outcome": null, "complete": true,
     "hops": [{"time_ns": 0, "event": "net_dev_queue", "direction": "tx", "dev": "docker0", "len": 98,
               "cpu": 0, "pid": 2563, "comm": "ping",
               "netns": {"inum": 4026531957, "name": "host"}, "evidence": "unique-name"}]}

"packet" has what the packet's bytes say, where there are some: "src", "dst", "l4" (texts), "sport", "dport", "icmp_id",
"icmp_seq" (numbers), those of them that it has; inside all tunnels, that is. A hop on which tags or tunnels were around
it has "outer", an array from the outermost inwards:

    [{"kind": "vlan", "id": 5}, {"kind": "vxlan", "id": 42, "src": "192.0.2.1", "dst": "192.0.2.2", "sport": 50000,
      "dport": 4789}]

"kind" is vlan, mpls, vxlan, geneve, gre or ipip (IP of either version in IP of either); others may come. "id" is the
number of the VLAN or network, the label, the key of GRE. Keys that it doesn't have, or that weren't captured, aren't
there, and neither is "outer" where nothing was around the packet or its bytes aren't known. (Added within version 1.)

"outcome" is null where nobody knows what became of the packet, else:

    {"kind": "dropped", "reason": "NETFILTER_DROP", "location": "nft_do_chain+0x3e8", "hook": "INPUT", "after_hop": 2,
     "time_ns": 20000, "netns": {"inum": 4026532258, "name": "web"}, "pid": null, "comm": null}

"kind" is dropped, delivered, answered, left, merged or copied. "after_hop" counts from 0, and is null for a packet that
no device saw: its "hops" are empty. "pid" and "comm" are who got a delivered packet, or sent one that no device saw.

"parent" is the journey whose packet this one was made of, "lineage" what it is to that: "segment", "fragment",
"retransmission", "copy", "flooded copy", "broadcast copy" and others may come. Both are null for a packet of its own,
and where nobody knows; "lineage" without "parent" is a packet whose origin wasn't seen. (Added within version 1.)

Times are integer nanoseconds of the recording's clock. What isn't
known is null. A hop that may be in one of several namespaces has "netns": null, "evidence": null and, after them,
"candidates": [{"inum": ..., "name": ...}, ...]. A hop with a call stack has "why": what
the kernel did since the hop before. Where decisions were recorded (--decisions), a hop that some were joined to has
"decisions", and so has a journey without hops: an array of objects in the order of time, each with a "kind":

    {"kind": "route", "for": "input", "table": 254, "src": "10.0.0.1", "dst": "10.1.0.1", "dev": "eth1",
     "gateway": "10.2.0.1", "error": null}       a lookup; "for" is input, output or reverse path check, "error" a name
                                                 such as ENETUNREACH (EAGAIN: this table has no route for it)
    {"kind": "neighbour", "what": "asked", "address": "10.2.0.1", "dev": "eth1", "state": null, "mac": null}
                                                 "what" is used, asked, answered, waited for or failed
    {"kind": "icmp error", "type": 3, "code": 1, "src": ..., "dst": ...}     this host answered the packet with it
    {"kind": "learned", "mac": "02:...", "port": "veth1", "vlan": null}      a bridge did, from this packet
    {"kind": "tcp", "what": "retransmitted", "state": "TCP_ESTABLISHED"}     or reset sent, reset received, bad checksum
    {"kind": "firewall", "type": "rule", "family": "inet", "table": "t", "chain": "c", "handle": 4, "rule": "drop",
     "verdict": "drop"}                          of the user's own trace rule; "type" is rule, policy or return

A "gateway" is null also where nobody can tell whether the kernel's event has one.
Keys may be added; none changes its meaning without a new version. Everything is ASCII: other characters come as \u
escapes, and a byte of a name that isn't UTF-8 as the four characters \xNN.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from perfpath.escape import visible
from perfpath.render.groups import bounds, distinct
from perfpath.render.outcome import outcomes_as_json
from perfpath.render.packet import as_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from perfpath.diagnostics import Diagnostics
    from perfpath.journeys.tracker import Result, Update
    from perfpath.render.console import Sink
    from perfpath.render.places import Namer
    from perfpath.render.summary import Tally
    from perfpath.tables import Array, Table

VERSION = 1
TAIL = ("cpu", "pid", "comm", "netns", "netns_name", "evidence", "candidates")
MORE = ("why", "decisions", "outer")  # where the recording has them
CHUNK = 16384  # journeys formatted at once: bounds the memory, and keeps it in the caches


class JsonLinesWriter:
    """Writes journeys when they can't grow any more."""

    def __init__(self, stream: Sink, namer: Namer) -> None:
        self._stream = stream
        self._namer = namer

    def show(self, update: Update) -> None:
        """Write the closed journeys."""
        for text in chunks(update.closed, self._namer):
            self._stream.write(text)
            self._stream.write("\n")
        self._stream.flush()

    def end(self, tally: Tally, diagnostics: Diagnostics) -> None:
        """Nothing more: the summary goes elsewhere."""


def chunks(result: Result, namer: Namer, between: str = "\n") -> Iterator[str]:
    """The journeys as JSON objects without line breaks and `between` between them, some thousand at a time."""
    edges = bounds(result.hops, result.journeys)
    for start in range(0, len(result.journeys), CHUNK):
        part = edges[start : start + CHUNK + 1]
        journeys = result.journeys.take(slice(start, start + CHUNK))
        hops = result.hops.take(slice(part[0], part[-1]))
        yield _chunk(journeys, hops, part - part[0], namer, between)


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


def _chunk(journeys: Table, hops: Table, edges: Array, namer: Namer, between: str) -> str:
    """All text in one join, which is what makes it fast: for each hop what comes before it, its time, and the rest."""
    leads = [', {"time_ns": '] * len(hops)
    before = ""
    for row, end, opening in zip(edges[:-1].tolist(), edges[1:].tolist(), _openings(journeys), strict=True):
        before += opening
        if row < end:
            leads[row] = before + '{"time_ns": '
            before = ""
        before += f"]}}{between}"
    pieces = [""] * (3 * len(hops))
    pieces[0::3] = leads
    pieces[1::3] = map(str, hops["time_ns"].tolist())
    pieces[2::3] = _rests(hops, namer)
    return "".join([*pieces, before.removesuffix(between)])


def _openings(journeys: Table) -> Iterator[str]:
    """What stands before a journey's first hop."""
    roles = [_text(text) for text in (*journeys.names["role"].texts, None)]
    kinds = [_text(text) for text in (*journeys.names["lineage"].texts, None)]
    columns = ("journey", "skbaddr", "start_ns", "end_ns", "role", "peer", "complete", "parent", "lineage")
    told = (as_json(journeys), outcomes_as_json(journeys), _decided(journeys))
    for journey, skbaddr, start, end, role, peer, complete, parent, lineage, packet, outcome, decided in zip(
        *(journeys[column].tolist() for column in columns), *told, strict=True
    ):
        yield (
            f'{{"journey": {journey}, "skbaddr": "{skbaddr:#x}", "start_ns": {start}, "end_ns": {end}, '
            f'"role": {roles[role]}, "peer": {peer if peer >= 0 else "null"}, "packet": {packet}, '
            f'"parent": {parent if parent >= 0 else "null"}, "lineage": {kinds[lineage]}, '
            f'"outcome": {outcome}, "complete": {"true" if complete else "false"}{decided}, "hops": ['
        )


def _decided(journeys: Table) -> list[str]:
    """What was decided about packets without hops, as a key and its value; "" for the others."""
    if "decisions" not in journeys:
        return [""] * len(journeys)
    texts = [f', "decisions": {_ascii(text)}' for text in journeys.names["decisions"].texts]
    return [texts[code] if code >= 0 else "" for code in journeys["decisions"].tolist()]


def _ascii(text: str) -> str:
    return json.dumps(plain_json(json.loads(text)))


def _rests(hops: Table, namer: Namer) -> list[str]:
    """What stands after the time of each hop, formatted once for each distinct combination of values."""
    rows, before = distinct(hops["event"], hops["direction"], hops["dev"])
    heads = [_head(hops, row) for row in rows]
    rows, after = distinct(*(hops[column] for column in (*TAIL, *(name for name in MORE if name in hops))))
    tails = [_tail(hops, row, namer) for row in rows]
    rows, codes = distinct(before, hops["len"], after)
    lengths, before, after = hops["len"][rows].tolist(), before[rows].tolist(), after[rows].tolist()
    rests = [f"{heads[i]}{n or 'null'}{tails[j]}" for i, n, j in zip(before, lengths, after, strict=True)]
    return [rests[code] for code in codes.tolist()]


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
    if "why" in hops and hops["why"][row] >= 0:
        values["why"] = hops.names["why"][hops["why"][row]]
    if "decisions" in hops and hops["decisions"][row] >= 0:
        values["decisions"] = json.loads(hops.names["decisions"][hops["decisions"][row]] or "[]")
    if "outer" in hops and hops["outer"][row] >= 0:
        values["outer"] = json.loads(hops.names["outer"][hops["outer"][row]] or "[]")
    if candidates:
        values["candidates"] = [candidate._asdict() for candidate in namer.candidates(candidates)]
    return ", " + json.dumps(plain_json(values))[1:]
