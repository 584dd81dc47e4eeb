"""Which journeys are the command's: told by hand-made packets, and against closure over sets."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from ipaddress import ip_address

import numpy as np
import packet_bytes as made
from hypothesis import given
from hypothesis import strategies as st

from perfpath import schema
from perfpath.firstbytes import ETHERNET, FirstBytes, packed
from perfpath.journeys.following import HOLD_NS, Following
from perfpath.journeys.tracker import Result, Update
from perfpath.packets.memo import Memo
from perfpath.packets.traits import TRAITS, traits_of
from perfpath.readers.perfdata.tasks import TaskRecord, Tasks
from perfpath.tables import Array, Names, Table

OURS, OTHERS, NOBODY = 7, 8, 0
"""Threads: of the command, of somebody else, and what runs in an interrupt."""
SOFTIRQ = 0x10
HERE, ROUTER, THERE = 101, 102, 103
A, B, C, GATEWAY, OUTSIDE = "10.0.0.1", "10.0.1.2", "10.0.1.3", "10.0.0.254", "10.0.1.254"
MAC = bytes.fromhex("02000000000c")
SECOND = 1_000_000_000


def udp(src: str, sport: int, dst: str, dport: int, number: int = 1) -> bytes:
    body = struct.pack(">HHHH", sport, dport, 9, 0) + b"x"
    return made.ethernet(0x0800, made.ipv4(17, body, src, dst, identification=number))


def arp(op: int, src: str, dst: str, mac: bytes = made.MAC_A) -> bytes:
    body = struct.pack(">HHBBH6s4s6s4s", 1, 0x0800, 6, 4, op, mac, ip_address(src).packed, bytes(6), _packed(dst))
    return made.ethernet(0x0806, body)


def _packed(address: str) -> bytes:
    return ip_address(address).packed


def error(src: str, dst: str, about: bytes) -> bytes:
    body = struct.pack(">BBHI", 3, 1, 0, 0) + about[14:]
    return made.ethernet(0x0800, made.ipv4(1, body, src, dst))


@dataclass
class Hop:
    packet: bytes | None
    netns: int = HERE
    dev: int = 0
    tx: bool = True
    after: int = 1000


@dataclass
class Story:
    """Journeys one after the other, and what of them is the command's."""

    packets: FirstBytes = field(default_factory=FirstBytes)
    rows: list[dict[str, int]] = field(default_factory=list)
    journeys: list[dict[str, int]] = field(default_factory=list)
    now: int = SECOND
    following: Following = field(init=False)

    def __post_init__(self) -> None:
        memo = Memo(self.packets, traits_of, TRAITS)
        self.following = Following(lambda tids, times: (tids == OURS) & (times >= 0), memo)
        self._names = {name: Names(("x",)) for name in ("comm", "dev")} | {"direction": Names(("tx", "rx"))}

    def journey(self, by: int, *hops: Hop, at: int | None = None, cpu: int = 0) -> int:
        """A journey, begun by a thread; its number."""
        number = len(self.journeys)
        start = time = self.now if at is None else at
        for place, hop in enumerate(hops):
            time += hop.after if place else 0
            known = -1 if hop.packet is None else self._add(hop.packet)
            self.rows.append(
                {
                    "journey": number,
                    "hop": place,
                    "time_ns": time,
                    "delta_ns": hop.after if place else 0,
                    "tid": by,
                    "flags": 0 if by else SOFTIRQ,
                    "cpu": cpu,
                    "netns": hop.netns,
                    "dev": hop.dev,
                    "comm": 0,
                    "direction": 0 if hop.tx else 1,
                    "packet": known,
                }
            )
        self.journeys.append({"journey": number, "start_ns": start, "end_ns": time, "hops": len(hops)})
        self.now = max(self.now, time) + 10_000
        return number

    def _add(self, packet: bytes) -> int:
        raw = np.frombuffer(packet[:128].ljust(128, b"\0"), np.uint8)[None]
        one = {name: np.array([value]) for name, value in (("layer", ETHERNET), ("ethertype", 0), ("network", -1))}
        return self.packets.add(packed(raw, np.array([len(packet)]), length=np.array([len(packet)]), **one))

    def result(self, journeys: list[int] | None = None) -> Result:
        """Some journeys as tables."""
        chosen = set(range(len(self.journeys)) if journeys is None else journeys)
        rows = [row for row in self.rows if row["journey"] in chosen]
        whole = [each for each in self.journeys if each["journey"] in chosen]
        hops = Table.filled(schema.HOPS, len(rows), self._names, **_columns(self.rows[0], rows))
        return Result(hops, Table.filled(schema.JOURNEYS, len(whole), {}, **_columns(self.journeys[0], whole)))

    def picked(self) -> list[int]:
        """The command's, when all are given at once."""
        return numbers(self.following.result(self.result()))


def _columns(keys: dict[str, int], rows: list[dict[str, int]]) -> dict[str, Array]:
    return {key: np.array([row[key] for row in rows], np.int64) for key in keys}


def numbers(result: Result) -> list[int]:
    assert sorted(set(result.hops["journey"].tolist())) == result.journeys["journey"].tolist()
    found: list[int] = result.journeys["journey"].tolist()
    return found


def test_the_answer_in_an_interrupt_and_nobody_elses() -> None:
    story = Story()
    story.journey(OURS, Hop(udp(A, 5, B, 53)))
    story.journey(OTHERS, Hop(udp(A, 6, B, 53)))
    story.journey(NOBODY, Hop(udp(B, 53, A, 6), tx=False))
    story.journey(NOBODY, Hop(udp(B, 53, A, 5), tx=False))
    story.journey(NOBODY, Hop(udp(B, 53, A, 5, 9)[:20], tx=False))  # nothing tells what it is
    assert story.picked() == [0, 3]
    assert story.following.others == 3


def test_nat_makes_two_flows_of_one() -> None:
    story = Story()
    story.journey(OURS, Hop(udp(A, 5, B, 53)), Hop(udp(OUTSIDE, 1025, B, 53), netns=ROUTER))
    story.journey(NOBODY, Hop(udp(B, 53, OUTSIDE, 1025), netns=THERE))
    story.journey(NOBODY, Hop(udp(B, 53, OUTSIDE, 1026), netns=THERE))
    assert story.picked() == [0, 1]


def test_two_packets_taken_for_one_lend_nothing_to_each_other() -> None:
    """The address of an skb was given out again, and the chain wasn't cut."""
    story = Story()
    story.journey(OURS, Hop(udp(A, 5, B, 53, 1)), Hop(udp(A, 6, C, 53, 2)))
    story.journey(NOBODY, Hop(udp(C, 53, A, 6), tx=False))
    assert story.picked() == [0]


def test_an_error_is_of_the_flow_it_is_about() -> None:
    story = Story()
    story.journey(OURS, Hop(udp(A, 5, B, 53)))
    story.journey(NOBODY, Hop(error(GATEWAY, A, udp(A, 5, B, 53)), tx=False))
    story.journey(NOBODY, Hop(error(GATEWAY, A, udp(A, 6, B, 53)), tx=False))
    assert story.picked() == [0, 1]


def test_questions_for_an_end_of_the_flow_where_it_came_through() -> None:
    story = Story()
    story.journey(NOBODY, Hop(arp(1, OUTSIDE, B), netns=ROUTER))
    story.journey(NOBODY, Hop(arp(1, OUTSIDE, B), netns=HERE + 50))  # another network with the same addresses
    story.journey(NOBODY, Hop(arp(1, OUTSIDE, C), netns=ROUTER))
    story.journey(NOBODY, Hop(arp(2, B, OUTSIDE), netns=ROUTER, tx=False))
    story.journey(OURS, Hop(udp(A, 5, B, 53)), Hop(udp(A, 5, B, 53), netns=ROUTER, tx=False))
    assert story.picked() == [0, 1, 3, 4]  # 1 is of the same question's flow by then


def test_a_question_while_the_commands_packet_waits() -> None:
    """For a gateway: nothing in the packet says its address."""
    story = Story()
    start = story.now
    waiting = (Hop(udp(A, 5, B, 53)), Hop(udp(A, 5, B, 53), netns=ROUTER, dev=1, after=90_000))
    story.journey(OURS, *waiting, at=start)
    story.journey(NOBODY, Hop(arp(1, OUTSIDE, GATEWAY), netns=ROUTER, dev=1), at=start + 50_000)
    story.journey(NOBODY, Hop(arp(1, OUTSIDE, C), netns=ROUTER, dev=2), at=start + 60_000)
    story.journey(NOBODY, Hop(arp(1, OUTSIDE, A), netns=THERE, dev=1), at=start + 60_000)
    story.journey(NOBODY, Hop(arp(1, "10.0.9.1", C), netns=ROUTER, dev=1), at=start + 200_000)
    assert story.picked() == [0, 1]


def test_what_was_sent_when_the_answer_came() -> None:
    """The first packet waits for its neighbour's address: it is sent in an interrupt then."""
    story = Story()
    story.journey(OURS, Hop(arp(1, A, GATEWAY)))
    answer = story.journey(NOBODY, Hop(arp(2, GATEWAY, A, made.MAC_B), tx=False))
    story.journey(NOBODY, Hop(udp(A, 5, B, 53)))
    story.journey(NOBODY, Hop(udp(B, 53, A, 5), tx=False))
    story.journey(NOBODY, Hop(MAC + udp(A, 6, B, 53)[6:]))  # to another neighbour
    story.journey(NOBODY, Hop(udp(A, 7, B, 53)), at=story.journeys[answer]["end_ns"] + 50_000_000)  # much later
    story.journey(NOBODY, Hop(udp(A, 8, B, 53)), at=story.journeys[answer]["end_ns"] + 5000, cpu=1)
    assert story.picked() == [0, 1, 2, 3]


def test_the_error_when_no_answer_comes() -> None:
    story = Story()
    story.journey(OURS, Hop(arp(1, A, GATEWAY)))
    story.journey(OTHERS, Hop(udp(A, 6, B, 53)))
    later = story.now + 3 * SECOND
    story.journey(NOBODY, Hop(error(A, A, udp(A, 5, B, 53))), at=later)
    story.journey(NOBODY, Hop(error(A, A, udp(A, 6, B, 53))), at=later)
    story.journey(NOBODY, Hop(error(C, C, udp(C, 6, B, 53))), at=later)
    assert story.picked() == [0, 2]


def test_a_server_is_known_when_it_answers() -> None:
    """What came to it has ended by then, and was held."""
    story = Story()
    story.journey(NOBODY, Hop(udp(B, 5, A, 53), tx=False))
    story.journey(NOBODY, Hop(udp(C, 5, A, 53), tx=False))
    story.now += HOLD_NS - SECOND
    story.journey(OURS, Hop(udp(A, 53, B, 5)))
    nothing = story.result([])
    following = story.following
    assert numbers(following.update(Update(story.result([0, 1]), nothing)).closed) == []
    found = following.update(Update(nothing, story.result([2])))
    assert (numbers(found.closed), numbers(found.open)) == ([0], [2])
    assert numbers(following.update(Update(story.result([2]), nothing)).closed) == [2]
    assert (following.others, following.late) == (1, 0)


def test_what_could_not_be_held_is_counted() -> None:
    story = Story()
    for _ in range(3):
        story.journey(NOBODY, Hop(udp(B, 5, A, 53), tx=False))
    story.now += HOLD_NS + SECOND
    story.journey(OTHERS, Hop(udp(C, 5, A, 54)))
    story.journey(OURS, Hop(udp(A, 53, B, 5)))
    following, nothing = story.following, story.result([])
    following.update(Update(story.result([0, 1, 2]), nothing))
    following.update(Update(story.result([3]), nothing))
    assert (following.others, following.late) == (4, 0)
    assert numbers(following.update(Update(story.result([4]), nothing)).closed) == [4]
    assert (following.others, following.late) == (1, 3)


Flow = tuple[tuple[str, int], tuple[str, int]]
Journey = tuple[int, Flow, Flow | None]
ENDS = st.tuples(st.sampled_from([A, B, C]), st.integers(1, 3))
FLOW = st.tuples(ENDS, ENDS)
JOURNEYS = st.lists(
    st.tuples(st.sampled_from([OURS, OTHERS, NOBODY, NOBODY, NOBODY]), FLOW, st.none() | FLOW), min_size=1, max_size=12
)


def closure(journeys: list[Journey]) -> list[int]:
    """The same by sets: flows without direction; what shares a journey belongs together."""
    flows = [{frozenset(flow) for flow in (first, second) if flow} for _, first, second in journeys]
    mine = {number for number, (by, _, _) in enumerate(journeys) if by == OURS}
    while more := {
        number for number, own in enumerate(flows) if number not in mine and any(own & flows[one] for one in mine)
    }:
        mine |= more
    return sorted(mine)


@given(JOURNEYS, st.data())
def test_as_sets_have_it_however_it_comes(journeys: list[Journey], data: st.DataObject) -> None:
    story = Story()
    for number, (by, first, second) in enumerate(journeys):
        story.journey(by, *(Hop(udp(*flow[0], *flow[1], number)) for flow in (first, second) if flow))
    ends = sorted(data.draw(st.sets(st.integers(0, len(journeys)), max_size=4)))
    shown: list[int] = []
    for start, end in zip([0, *ends], [*ends, len(journeys)], strict=True):
        ahead = data.draw(st.integers(end, len(journeys)))
        update = Update(story.result(list(range(start, end))), story.result(list(range(end, ahead))))
        shown += numbers(story.following.update(update).closed)
    assert sorted(shown) == closure(journeys)
    assert story.following.others == len(journeys) - len(shown)


def test_descendants_by_time() -> None:
    """A number is given out again when its process has long ended."""
    tasks = Tasks(Names())
    tasks.follow(10)
    for time, tid, parent in ((0, 10, 1), (5, 11, 10), (6, 12, 11), (7, 20, 1), (9, 11, 20), (9, 21, 12)):
        tasks.add(TaskRecord(time, tid, parent=parent))
    tasks.advance(None)
    asked = [(10, 1), (11, 4), (11, 5), (11, 9), (12, 8), (20, 8), (21, 9), (99, 9)]
    tids, times = (np.array(column) for column in zip(*asked, strict=True))
    assert tasks.kin(tids, times).tolist() == [True, False, True, False, True, False, True, False]
