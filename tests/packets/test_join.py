"""Sightings find their hops, and never another's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from perfpath import schema
from perfpath.diagnostics import Diagnostics
from perfpath.firstbytes import PACKET, FirstBytes
from perfpath.packets.join import FAR_NS, join
from perfpath.packets.joiner import CONTEXT_NS, LAG_NS, Joiner
from perfpath.tables import Names, Table

if TYPE_CHECKING:
    from perfpath.tables import Array

HOST, WEB, DB = 4026531840, 4026532100, 4026532200
QUEUE, RX, UP, GRO = "net_dev_queue", "netif_rx", "netif_receive_skb_entry", "napi_gro_receive_entry"
ETHERNET = 14


class Hop(NamedTuple):
    time: int
    event: str
    dev: str
    skb: int = 1
    len: int = 98
    cpu: int = 0


class Sight(NamedTuple):
    time: int
    tx: bool
    dev: str
    netns: int = HOST
    len: int = 98
    cpu: int = 0


def events(hops: list[Hop], names: dict[str, Names] | None = None) -> Table:
    names = {} if names is None else names
    dev, event = names.setdefault("dev", Names()), names.setdefault("event", Names())
    columns: dict[str, Array] = {
        "time_ns": np.array([hop.time for hop in hops], np.int64),
        "cpu": np.array([hop.cpu for hop in hops], np.int16),
        "event": np.array([event.code(hop.event) for hop in hops], np.int32),
        "dev": np.array([dev.code(hop.dev) for hop in hops], np.int32),
        "skbaddr": np.array([hop.skb for hop in hops], np.uint64),
        "len": np.array([hop.len for hop in hops], np.uint32),
    }
    return Table.filled(schema.EVENTS, len(hops), names, **columns)


def sightings(seen: list[Sight], names: dict[str, Names] | None = None) -> Table:
    """Their lengths are given as tracepoints have them: without the Ethernet header where received."""
    names = {} if names is None else names
    dev = names.setdefault("dev", Names(["something else"]))
    packet = np.zeros(len(seen), PACKET)
    packet["network"] = ETHERNET
    packet["length"] = np.arange(len(seen))
    columns: dict[str, Any] = {
        "time_ns": np.array([each.time for each in seen], np.int64),
        "cpu": np.array([each.cpu for each in seen], np.int16),
        "netns": np.array([each.netns for each in seen], np.uint32),
        "ifindex": np.array([7] * len(seen), np.int32),
        "dev": np.array([dev.code(each.dev) for each in seen], np.int32),
        "tx": np.array([each.tx for each in seen], bool),
        "len": np.array([each.len + (0 if each.tx else ETHERNET) for each in seen], np.uint32),
    }
    table = Table.filled(schema.SIGHTINGS, len(seen), names, **columns)
    return table.extended(packet=packet, network=packet["network"].copy())


def joined(hops: list[Hop], seen: list[Sight]) -> list[int]:
    found: list[int] = join(events(hops), sightings(seen)).sighting.tolist()
    return found


def test_a_ping_over_a_bridge_with_the_stamps_as_a_kernel_gives_them() -> None:
    hops = [
        *(Hop(1000, QUEUE, "br0"), Hop(5000, QUEUE, "veth"), Hop(12000, RX, "eth0", len=84)),
        *(Hop(30000, QUEUE, "eth0", 2), Hop(36000, RX, "veth", 2, 84), Hop(43000, UP, "br0", 2, 84)),
    ]
    seen = [
        *(Sight(2500, True, "br0"), Sight(6500, True, "veth"), Sight(11900, False, "eth0", WEB, 84)),
        *(Sight(31000, True, "eth0", WEB), Sight(35900, False, "veth", len=84), Sight(35901, False, "br0", len=84)),
    ]
    assert joined(hops, seen) == [0, 1, 2, 3, 4, 5]


def test_bridged_packets_received_before_the_first_is_passed_up() -> None:
    hops = [Hop(1000 * n, RX, "veth", n) for n in (1, 2, 3)] + [Hop(5000 + 1000 * n, UP, "br0", n) for n in (1, 2, 3)]
    seen = [Sight(1000 * n - 100, False, "veth") for n in (1, 2, 3)]
    seen += [Sight(1000 * n - 100, False, "br0") for n in (1, 2, 3)]
    order = sorted(range(6), key=lambda at: seen[at].time)
    found = joined(hops, [seen[at] for at in order])
    assert [order[at] for at in found] == [0, 1, 2, 3, 4, 5]


TAPS = [
    Hop(1_000, UP, "tap0"),
    Hop(9_000, UP, "br0"),
    Hop(25_000, UP, "tap1"),  # another packet with the same address, at once
    Hop(33_000, UP, "br0"),
    Hop(49_000, UP, "tap0"),
    Hop(58_000, QUEUE, "veth0"),
]
SHOWN = [
    Sight(2_200, False, "br0", HOST),
    Sight(2_200, False, "tap0", HOST),
    Sight(26_200, False, "br0", WEB),
    Sight(26_200, False, "tap1", WEB),
    Sight(50_200, False, "tap0", HOST),
    Sight(59_300, True, "veth0", HOST),
]


def test_what_a_process_writes_to_taps_one_after_the_other() -> None:
    assert joined(TAPS, SHOWN) == [1, 0, 3, 2, 4, 5]


def test_what_was_passed_up_has_the_stamp_of_its_receipt_or_none() -> None:
    assert joined(TAPS, SHOWN[2:]) == [-1, -1, 1, -1, -1, 3]
    assert joined(TAPS, [*SHOWN[:2], *SHOWN[3:]]) == [1, 0, 2, -1, 3, 4]


def test_a_driver_that_hands_packets_up_in_a_batch() -> None:
    hops = [Hop(1000 * n, GRO, "ens3", n) for n in (1, 2, 3)]
    assert joined(hops, [Sight(5000 + n, False, "ens3") for n in (1, 2, 3)]) == [0, 1, 2]
    assert joined(hops, [Sight(5000 + n, False, "ens3") for n in (1, 2)]) == [-1, -1, -1]


def test_one_name_and_length_in_two_namespaces_on_two_cpus_at_once() -> None:
    hops = [Hop(1000, QUEUE, "eth0", 1, cpu=0), Hop(1001, QUEUE, "eth0", 2, cpu=1)]
    seen = [Sight(2000, True, "eth0", DB, cpu=1), Sight(2001, True, "eth0", WEB, cpu=0)]
    assert joined(hops, seen) == [1, 0]
    blind = [each._replace(cpu=-1) for each in seen]
    assert joined(hops, blind) == [-1, -1]


def test_a_hop_without_a_sighting_takes_nobody_elses() -> None:
    hops = [Hop(1000, QUEUE, "eth0", 1), Hop(2000, QUEUE, "eth0", 2), Hop(3000, QUEUE, "eth0", 3)]
    assert joined(hops, [Sight(2500, True, "eth0"), Sight(3500, True, "eth0")]) == [-1, -1, 1]
    assert joined(hops[:1], [Sight(1000 + 2 * FAR_NS, True, "eth0")]) == [-1]
    assert joined(hops[:1], [Sight(1500, True, "eth0", len=99)]) == [-1]
    assert joined(hops[:1], [Sight(1500, False, "eth0")]) == [-1]
    assert joined(hops[:1], [Sight(1500, True, "eth1")]) == [-1]


def test_sightings_at_devices_that_no_hop_was_at() -> None:
    assert joined([Hop(1000, QUEUE, "eth0")], [Sight(900, True, "eth7"), Sight(1500, True, "eth0")]) == [1]


def test_others_packets_between_ours() -> None:
    hops = [Hop(1000, QUEUE, "eth0", 1), Hop(90_000, QUEUE, "eth0", 2)]
    seen = [Sight(time, True, "eth0") for time in (500, 2000, 30_000, 60_000, 91_000)]
    assert joined(hops, seen) == [1, 4]


def test_what_moved_to_another_cpu_is_found_where_it_is_alone() -> None:
    assert joined([Hop(1000, QUEUE, "eth0", cpu=1)], [Sight(3000, True, "eth0", cpu=0)]) == [0]


STEPS = st.tuples(
    st.sampled_from([(QUEUE, "eth0"), (RX, "eth0"), (QUEUE, "br0")]),
    st.sampled_from([HOST, WEB, DB]),
    st.integers(0, 1),
    st.sampled_from([84, 98]),
    st.integers(2000, 20_000),
    st.booleans(),
)


def test_tcp_is_stamped_when_it_is_shown() -> None:
    """Packets cross a veth pair whose ends have one name: none has the sighting of the one before."""
    hops, seen = [], []
    for number in range(6):
        start, netns = 20_000 * number, (WEB, DB)[number % 2]
        hops += [Hop(start, QUEUE, "eth0", number, 66), Hop(start + 1_500, RX, "eth0", number, 52)]
        seen += [Sight(start + 200, True, "eth0", DB + WEB - netns, 66), Sight(start + 3_000, False, "eth0", netns, 52)]
    assert joined(hops, seen) == list(range(12))
    assert joined(hops, seen[:1] + seen[2:])[1] == -1


def test_copies_keep_the_stamp_of_their_packet() -> None:
    hops = [
        Hop(0, QUEUE, "v0"),
        Hop(2_000, RX, "low", 1, 84),
        Hop(9_000, RX, "mv0", 2, 84),
        Hop(9_900, RX, "mv1", 3, 84),
    ]
    seen = [Sight(200, True, "v0"), *(Sight(1_900, False, dev, HOST, 84) for dev in ("low", "mv0", "mv1"))]
    assert joined(hops, seen) == [0, 1, 2, 3]


@given(st.lists(STEPS, max_size=60))
def test_packets_one_after_the_other_on_each_cpu(steps: list[Any]) -> None:
    """All hops are found; where sightings are missing, the others are still never swapped between namespaces."""
    clock, hops, seen, truth = {0: 10_000, 1: 10_003}, [], [], []
    for skb, ((event, dev), netns, cpu, length, wait, lost) in enumerate(steps):
        clock[cpu] += wait
        delay = 900 if event == QUEUE else -400
        hops.append(Hop(clock[cpu], event, dev, skb + 1, length, cpu))
        seen.append(Sight(clock[cpu] + delay, event == QUEUE, dev, netns, length, cpu))
        truth.append((skb, lost))
    by_time = sorted(range(len(hops)), key=lambda at: hops[at].time)
    order = sorted(range(len(seen)), key=lambda at: seen[at].time)
    found = joined([hops[at] for at in by_time], [seen[at] for at in order])
    assert [order[at] for at in found] == by_time
    shown = [at for at in order if not truth[at][1]]
    found = joined([hops[at] for at in by_time], [seen[at] for at in shown])
    for hop, at in zip(by_time, found, strict=True):
        if truth[hop][1]:
            continue
        assert at < 0 or shown[at] == hop


@given(st.lists(STEPS, max_size=60), st.lists(st.integers(1, 40), max_size=12))
def test_in_pieces_it_is_the_same_as_at_once(steps: list[Any], pieces: list[int]) -> None:
    clock, hops, seen = 10_000, [], []
    for skb, ((event, dev), netns, cpu, length, wait, _) in enumerate(steps):
        clock += wait * 1000
        hops.append(Hop(clock, event, dev, skb + 1, length, cpu))
        seen.append(Sight(clock + (900 if event == QUEUE else -400), event == QUEUE, dev, netns, length, cpu))
    packets, names, others = FirstBytes(), dict[str, Names](), dict[str, Names]()
    joiner = Joiner(packets, Diagnostics())
    given_out: list[Table] = []
    at = 0
    for size in pieces:
        until = hops[at : at + size][-1].time + 1000 if hops[at : at + size] else clock
        part = events(hops[at : at + size], names)
        shown = sightings(seen[at : at + size], others)
        shown.columns["packet"]["length"] += at
        given_out.append(joiner.feed(part, shown, until))
        at += size
    rest = sightings(seen[at:], others)
    rest.columns["packet"]["length"] += at
    given_out.append(joiner.close(events(hops[at:], names), rest))
    everything = [table for table in given_out if len(table)]
    numbers = [number for table in everything for number in table["packet"].tolist()]
    assert [int(packets.take(np.array([number]))["length"][0]) for number in numbers] == list(range(len(hops)))
    assert [time for table in everything for time in table["time_ns"].tolist()] == [hop.time for hop in hops]
    assert [each for table in everything for each in table["netns"].tolist()] == [each.netns for each in seen]
    assert all(table["by_socket"].all() for table in everything)


def test_a_joiner_waits_for_late_sightings_and_counts_what_never_came() -> None:
    diagnostics, names, others = Diagnostics(), dict[str, Names](), dict[str, Names]()
    joiner = Joiner(FirstBytes(), diagnostics)
    hops = [Hop(1000, QUEUE, "eth0"), Hop(1000 + CONTEXT_NS, QUEUE, "eth0", 2)]
    assert len(joiner.feed(events(hops, names), sightings([], others), 1000 + LAG_NS - 1)) == 0
    first = joiner.feed(events([], names), sightings([Sight(1500, True, "eth0", WEB)], others), 1000 + LAG_NS)
    assert first["netns"].tolist() == [WEB]
    last = joiner.close(events([], names), sightings([], others))
    assert last["packet"].tolist() == [-1]
    assert last["netns"].tolist() == [0]
    assert diagnostics.notes["no-bytes"].count == 1


def test_a_receipt_shown_again_at_a_device_of_the_same_name_tells_its_bytes_and_no_place() -> None:
    """A macvlan hands a packet on with no tracepoint in between; a bridge's neighbour has a hop of its own."""
    for hops, netns in (
        ([Hop(1000, RX, "eth0", len=84)], [0]),
        ([Hop(1000, RX, "eth0", len=84), Hop(1400, RX, "eth0", skb=2, len=84)], [HOST, WEB]),
    ):
        packets = FirstBytes()
        seen = sightings([Sight(900, False, "eth0", HOST, 84), Sight(1300, False, "eth0", WEB, 84)])
        seen["packet"]["raw"][:] = 7
        found = Joiner(packets, Diagnostics()).close(events(hops), seen)
        assert found["netns"].tolist() == netns
        assert (found["packet"] >= 0).all()


def test_what_was_shown_again_is_not_the_next_packets_whose_own_sighting_lacks() -> None:
    """As found beside a macvlan: a namespace that was too new to have a socket got the place of a packet 4 ms before.

    What a macvlan copies of a broadcast keeps its stamp, too, and each copy is a hop.
    """
    for first_byte, packets in ((6, [True, False]), (255, [True, True])):
        seen = sightings([Sight(900, False, "eth0", HOST, 84), Sight(900, False, "eth0", WEB, 84)])
        seen["packet"]["raw"][:] = first_byte
        hops = [Hop(1000, RX, "eth0", len=84), Hop(2_001_000, RX, "eth0", skb=2, len=84)]
        found = Joiner(FirstBytes(), Diagnostics()).close(events(hops), seen)
        assert (found["packet"] >= 0).tolist() == packets
        lone = Joiner(FirstBytes(), Diagnostics()).close(events(hops[:1]), seen)
        assert (lone["packet"].tolist(), lone["netns"].tolist()) == ([0], [0])


def test_other_packets_of_the_same_length_are_no_doubles() -> None:
    seen = sightings([Sight(900, False, "eth0", HOST, 84), Sight(1300, False, "eth0", WEB, 84)])
    seen["packet"]["raw"][:] = [[1], [2]]
    found = Joiner(FirstBytes(), Diagnostics()).close(events([Hop(1000, RX, "eth0", len=84)]), seen)
    assert found["netns"].tolist() != [0]
