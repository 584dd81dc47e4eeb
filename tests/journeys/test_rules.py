"""Single steps: when the next hop of an address is another packet's, and where a hop may be placed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from walks import PROCESS, SOFTIRQ, Hop, table_of

from perfpath.diagnostics import Diagnostics
from perfpath.journeys.pair import balanced, ends_of
from perfpath.journeys.sightings import address_order
from perfpath.journeys.tracker import Options, Result, follow
from perfpath.netns.inventory import Interface, Inventory, Namespace

HOST, WEB, DB = 4026531840, 4026532001, 4026532002
TX, RX, UP, GRO = "net_dev_queue", "netif_rx", "netif_receive_skb_entry", "napi_gro_receive_entry"


def hop(
    time_us: float, event: str, dev: str, length: int = 98, *, flags: int = SOFTIRQ, cpu: int = 0, task: int = HOST
) -> Hop:
    return Hop(int(1e9 + time_us * 1000), cpu, event, dev, 0xFFFF888100000100, length, flags, task, 7, 0, 0)


def followed(*hops: Hop, inventory: Inventory | None = None, options: Options | None = None) -> Result:
    return follow(table_of(list(hops)), inventory, Diagnostics(), options)


def sizes(result: Result) -> list[int]:
    sizes: list[int] = result.journeys["hops"].tolist()
    return sizes


def veth(netns: int, index: int, name: str, peer_netns: int, peer: int, *, master: int = 0) -> Interface:
    return Interface(netns, index, name, "veth", master=master, peer=peer, peer_netns=peer_netns)


BRIDGE = Inventory(
    (
        Namespace(
            HOST,
            "host",
            "host",
            interfaces=(
                Interface(HOST, 1, "lo"),
                Interface(HOST, 2, "eth0"),
                Interface(HOST, 3, "br0", "bridge"),
                veth(HOST, 4, "vethweb", WEB, 2, master=3),
                veth(HOST, 5, "vethdb", DB, 2, master=3),
            ),
        ),
        Namespace(WEB, "web", interfaces=(Interface(WEB, 1, "lo"), veth(WEB, 2, "eth0", HOST, 4))),
        Namespace(DB, "db", interfaces=(Interface(DB, 1, "lo"), veth(DB, 2, "eth0", HOST, 5))),
    )
)


@pytest.mark.parametrize(("event", "flags", "packets"), [(RX, SOFTIRQ, 2), (UP, SOFTIRQ, 2), (UP, PROCESS, 1)])
def test_what_a_program_writes_is_no_packet_that_was_received(event: str, flags: int, packets: int) -> None:
    """Unless it wrote that, too: a tap's bridge hands up what was written to the tap."""
    hops = [hop(0, event, "tap0", 84, flags=flags), hop(9, UP, "tap1", 84, flags=PROCESS)]
    assert len(followed(*hops).journeys) == packets


def test_what_a_program_reads_and_writes_is_two_packets() -> None:
    """A program frees what it reads from a tap, and what it writes to another gets the address within microseconds."""
    taken = followed(
        hop(0, TX, "eth0", flags=PROCESS), hop(2, TX, "tap0"), hop(12, UP, "tap1", 84, flags=PROCESS), hop(13, TX, "v")
    )
    assert taken.journeys.texts("cut")[0] == "process"
    assert sizes(taken)[0] == 2
    received = followed(hop(0, TX, "eth0"), hop(2, UP, "eth1", 84))
    assert sizes(received) == [2]


def test_a_process_sends_anew() -> None:
    result = followed(
        hop(0, TX, "eth0"), hop(2, RX, "v0", 84), hop(9, TX, "v1", flags=PROCESS), hop(11, RX, "eth0", 84)
    )
    assert (sizes(result), result.journeys.texts("cut")) == ([2, 2], ["process", None])


def test_softirq_forwards() -> None:
    assert sizes(followed(hop(0, TX, "eth0"), hop(2, RX, "v0", 84), hop(9, TX, "v1"), hop(11, RX, "eth0", 84))) == [4]


def test_a_reply_from_the_wire_is_not_the_packet_that_left() -> None:
    sent, answered = hop(0, TX, "eth0", flags=PROCESS), hop(300, GRO, "eth0", 84)
    assert sizes(followed(sent, answered, inventory=BRIDGE)) == [1, 1]
    assert sizes(followed(sent, answered)) == [1, 1]


def test_a_router_between_two_cards() -> None:
    ways = (hop(0, GRO, "eth0", 84), hop(5, TX, "eth1"), hop(90, GRO, "eth0", 84), hop(95, TX, "eth1"))
    assert sizes(followed(*ways)) == [2, 2]


def test_the_gap_is_the_users() -> None:
    hops = (hop(0, TX, "v0", flags=PROCESS), hop(2_000, RX, "v1", 84))
    assert sizes(followed(*hops)) == [2]
    assert sizes(followed(*hops, options=Options(gap_ns=1_000_000))) == [1, 1]


def test_vxlan_grows_and_shrinks() -> None:
    assert sizes(
        followed(hop(0, TX, "vx0"), hop(5, TX, "eth0", 148), hop(9, RX, "eth0", 134), hop(20, GRO, "vx0", 84))
    ) == [4]


def test_another_length_is_another_packet() -> None:
    result = followed(hop(0, TX, "v0"), hop(2, RX, "v1", 84), hop(9, TX, "v2", 66), hop(11, RX, "v3", 52))
    assert (sizes(result), result.journeys.texts("cut")) == ([2, 2], ["length", None])


def test_a_forwarded_packet_does_not_leave_by_lo() -> None:
    result = followed(hop(0, TX, "v0"), hop(2, RX, "v1", 84), hop(9, TX, "lo"), hop(11, RX, "lo", 84))
    assert sizes(result) == [2, 2]


def test_doubles_are_left_out() -> None:
    hops = (hop(0, TX, "v0", flags=PROCESS), hop(2, RX, "v1", 84), hop(2, RX, "v1", 84))
    assert sizes(followed(*hops)) == [2]


def test_places_over_a_bridge() -> None:
    hops = (
        hop(0, TX, "eth0", flags=PROCESS, task=WEB),
        hop(2, RX, "vethweb", 84, flags=PROCESS),
        hop(9, TX, "vethdb"),
        hop(11, RX, "eth0", 84),
    )
    result = followed(*hops, inventory=BRIDGE)
    assert result.hops["netns"].tolist() == [WEB, HOST, HOST, DB]
    assert result.hops.texts("evidence") == ["context", "unique-name", "unique-name", "link"]
    assert result.hops.texts("netns_name") == ["web", "host", "host", "db"]


@pytest.mark.parametrize("comm", ["kworker/0:1", "napi/eth0-8193"])
def test_a_kernel_thread_is_nowhere(comm: str) -> None:
    table = table_of([hop(0, TX, "eth0", flags=PROCESS)])
    table.names["comm"].texts[:] = [comm]
    result = follow(table, BRIDGE, Diagnostics())
    assert result.hops["netns"].tolist() == [0]
    assert result.hops.texts("candidates") == [f"{HOST},{WEB},{DB}"]


def test_a_socket_of_another_namespace_is_noticed() -> None:
    result = followed(
        hop(0, TX, "eth0", flags=PROCESS, task=HOST), hop(2, RX, "vethweb", 84, flags=PROCESS), inventory=BRIDGE
    )
    assert result.hops["netns"].tolist() == [WEB, HOST]
    assert result.hops.texts("evidence") == ["link", "unique-name"]


def test_an_interface_nobody_knows_leads_to_no_known_peer() -> None:
    result = followed(hop(0, TX, "vethnew", flags=PROCESS), hop(2, RX, "eth0", 84, flags=PROCESS), inventory=BRIDGE)
    assert sizes(result) == [2]
    assert result.hops["netns"].tolist() == [0, 0]


def test_what_could_not_be_read_may_hold_any_name() -> None:
    hidden = Inventory((*BRIDGE.namespaces, Namespace(4026532003, "hidden", readable=False)))
    result = followed(hop(0, TX, "vethweb"), inventory=hidden)
    assert result.hops["netns"].tolist() == [0]


def test_interfaces_count_while_they_existed() -> None:
    gone = Inventory(
        (
            BRIDGE.namespaces[0],
            Namespace(WEB, "web", gone_ns=999_999_999, interfaces=(Interface(WEB, 2, "box0", "dummy"),)),
            Namespace(DB, "db", interfaces=(Interface(DB, 2, "box0", "dummy"),)),
        )
    )
    packet = hop(0, TX, "box0")
    assert followed(packet, inventory=gone).hops["netns"].tolist() == [0]
    assert followed(packet, inventory=gone, options=Options(monotonic=True)).hops["netns"].tolist() == [DB]


@pytest.mark.parametrize(
    ("said", "expected"),
    [("()", "()"), ("(()", ""), ("())", "()"), (")()", "()"), ("()(", "()"), ("(())()", "(())()"), (")", ""), ("", "")],
)
def test_brackets(said: str, expected: str) -> None:
    closes = np.array([each == ")" for each in said], dtype=bool)
    chosen = balanced(np.zeros(len(said), dtype=np.int64), closes)
    assert "".join(each for each, keep in zip(said, chosen, strict=True) if keep) == expected


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=60))
def test_brackets_of_groups_are_those_of_each(entries: list[tuple[int, bool]]) -> None:
    entries.sort(key=lambda entry: entry[0])
    groups = np.array([group for group, _ in entries], dtype=np.int64)
    closes = np.array([close for _, close in entries], dtype=bool)
    together = balanced(groups, closes).tolist()
    apart = [
        keep
        for group in sorted(set(groups.tolist()))
        for keep in balanced(groups[groups == group], closes[groups == group]).tolist()
    ]
    assert together == apart


@given(st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 9).map(lambda n: 0xFFFF888100000000 + 256 * n), max_size=60))
def test_the_order_of_addresses_is_stable(addresses: list[int]) -> None:
    column = np.array(addresses, dtype=np.uint64)
    assert address_order(column).tolist() == sorted(range(len(addresses)), key=lambda row: addresses[row])


class Ways:
    """As much of sightings as their ends need."""

    def __init__(self, tx: list[bool]) -> None:
        self.tx = np.array(tx)

    def __len__(self) -> int:
        return len(self.tx)


@given(st.lists(st.lists(st.booleans(), min_size=1, max_size=4), min_size=1, max_size=4))
def test_a_chain_ends_within_itself_whatever_was_seen_of_it(ways: list[list[bool]]) -> None:
    """A packet whose last hop so far was a sending one may be the last of all: its bytes tell what answers it."""
    sizes = np.array([len(way) for way in ways])
    seen: Any = Ways([tx for way in ways for tx in way])
    chains: Any = SimpleNamespace(starts=np.cumsum(sizes) - sizes, sizes=sizes)
    ends = ends_of(seen, chains)
    for way, first, sent, received in zip(ways, ends.first, ends.sent, ends.received, strict=True):
        sending = next((at for at, tx in enumerate(way) if not tx), len(way))
        receiving = next((at for at, tx in enumerate(way[::-1]) if tx), len(way))
        assert sent - first == max(sending - 1, 0)
        assert received - first == min(len(way) - receiving, len(way) - 1)
