"""Hops and packets as values, ready to be shown: for the few that people look at, not for millions."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from perfpath.escape import visible
from perfpath.render.decisions import decisions_in
from perfpath.render.decisions import words as spoken
from perfpath.render.packet import around, words
from perfpath.render.places import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from perfpath.render.places import Namer
    from perfpath.tables import Table


STACKS = ("why", "frames")


class Hop(NamedTuple):
    """One hop; texts are escaped.

    place: the namespace, `?` where unknown; doubt: which it could be; task: `ping/2563 cpu 0`, as far as known.
    why: what the kernel did since the hop before; frames: its call stack, innermost first; both empty where unknown.
    decisions: what was decided about it there, in words. outer: the tags and tunnels around the packet there, likewise.
    """

    journey: int
    number: int
    time_ns: int
    delta_ns: int
    direction: str
    dev: str
    length: int
    place: str
    evidence: str
    doubt: str
    task: str
    why: str = ""
    frames: tuple[str, ...] = ()
    decisions: tuple[str, ...] = ()
    outer: str = ""


class Packet(NamedTuple):
    """One journey; texts are escaped.

    peer: -1 for none; cut: the rule that cut it off, "" for none; words: what the packet is, "" unknown.
    parent: the packet it was made of, -1 for none known; lineage: what it is to that, "" likewise.
    """

    journey: int
    skbaddr: int
    start_ns: int
    end_ns: int
    hops: int
    peer: int
    complete: bool
    role: str
    cut: str
    words: str
    parent: int = -1
    lineage: str = ""
    decisions: tuple[str, ...] = ()
    uncertain: bool = False

    @property
    def doubt(self) -> str:
        """What is doubtful about the whole of it, in words: "" where nothing is."""
        if self.uncertain:
            return "uncertain: a hop may be another packet's"
        return "" if self.complete else "incomplete: events were lost on its way"

    @property
    def descent(self) -> str:
        """What it was made of, in words: `flooded copy of 3`; "" where it is a packet of its own."""
        return f"{self.lineage} of {self.parent}" if self.parent >= 0 else self.lineage

    @property
    def pairing(self) -> str:
        """Its role in words: `request, answered by 1`; "" where it has none."""
        if self.peer < 0:
            return self.role
        return f"{self.role} to {self.peer}" if self.role == "reply" else f"{self.role}, answered by {self.peer}"


def packets_of(table: Table) -> Iterator[Packet]:
    """The rows of a JOURNEYS table."""
    columns = ("journey", "skbaddr", "start_ns", "end_ns", "hops", "peer", "complete", "parent", "uncertain")
    numbers = zip(*(table[column].tolist() for column in columns), strict=True)
    for row, role, cut, lineage, told, decisions in zip(
        numbers,
        table.texts("role"),
        table.texts("cut"),
        table.texts("lineage"),
        words(table),
        decisions_in(table),
        strict=True,
    ):
        journey, skbaddr, start, end, hops, peer, complete, parent, uncertain = row
        texts = visible(role or ""), visible(cut or ""), told
        decided = tuple(map(spoken, decisions)) if decisions else ()
        more = parent, visible(lineage or ""), decided
        yield Packet(journey, skbaddr, start, end, hops, peer, complete, *texts, *more, uncertain=uncertain)


def branched(packets: Iterable[Packet]) -> list[tuple[int, Packet]]:
    """Packets with their depth, each followed by what was made of it; 0 for those whose origin isn't among them."""
    known = {packet.journey: packet for packet in packets}
    made: dict[int, list[Packet]] = {}
    roots: list[Packet] = []
    for packet in known.values():
        (made.setdefault(packet.parent, []) if packet.parent in known else roots).append(packet)
    found: list[tuple[int, Packet]] = []
    waiting = [(0, packet) for packet in reversed(roots)]
    while waiting:
        depth, packet = waiting.pop()
        found.append((depth, packet))
        waiting += [(depth + 1, child) for child in reversed(made.get(packet.journey, ()))]
    return found


def hops_of(table: Table, namer: Namer) -> Iterator[Hop]:
    """The rows of a HOPS table."""
    columns = ("journey", "hop", "time_ns", "delta_ns", "len", "netns", "cpu", "pid")
    names = ("direction", "dev", "netns_name", "evidence", "candidates", "comm")
    numbers = zip(*(table[column].tolist() for column in columns), strict=True)
    texts = zip(*(table.texts(column) for column in names), strict=True)
    stacks = zip(*(table.texts(column) if column in table else [None] * len(table) for column in STACKS), strict=True)
    for (
        (journey, number, time, delta, length, netns, cpu, pid),
        (direction, dev, name, evidence, *more),
        stack,
        decided,
        outer,
    ) in zip(numbers, texts, stacks, decisions_in(table), around(table), strict=True):
        candidates, comm = more
        yield Hop(
            journey=journey,
            number=number,
            time_ns=time,
            delta_ns=delta,
            direction=direction or "",
            dev=visible(dev or UNKNOWN),
            length=length,
            place=namer.label(netns, name),
            evidence=visible(evidence or ""),
            doubt=namer.doubt(candidates),
            task=_task(comm, pid, cpu),
            why=visible(stack[0] or ""),
            frames=tuple(map(visible, stack[1].split("\n"))) if stack[1] else (),
            decisions=tuple(map(spoken, decided)) if decided else (),
            outer=outer,
        )


def _task(comm: str | None, pid: int, cpu: int) -> str:
    process = "/".join(filter(None, (visible(comm or ""), str(pid) if pid >= 0 else "")))
    return " ".join(filter(None, (process, f"cpu {cpu}" if cpu >= 0 else "")))
