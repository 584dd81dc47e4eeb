"""Where packets were, from all events together: made-up recordings with known answers, and real ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from witness import events_of

from perfpath.diagnostics import Diagnostics
from perfpath.journeys.tracker import follow
from perfpath.lessons.material import read
from perfpath.lessons.networks import path
from perfpath.lessons.scenarios import SCENARIOS
from perfpath.lessons.truth import truth_of
from perfpath.readers.source import open_recording
from perfpath.tables import concatenated

if TYPE_CHECKING:
    from perfpath.lessons.packet import Truth

SAMPLES = Path(__file__).resolve().parents[2] / "samples"

BRIDGED = """
    net_dev_queue br A 98
    net_dev_start_xmit br A 98
    net_dev_queue ve A 98
    net_dev_start_xmit ve A 98
    netif_rx_entry eth0 A 84
    netif_rx eth0 A 84
    netif_rx_exit - - rc=0
    net_dev_xmit ve A 98
    net_dev_xmit br A 98
    netif_receive_skb eth0 A 84
"""


def ways(truth: Truth) -> list[str]:
    return [", ".join(f"{place.direction} {place.dev}" for place in packet.places) for packet in truth.packets]


def test_calls_that_return_late_are_no_new_places() -> None:
    truth = truth_of(events_of(BRIDGED))
    assert ways(truth) == ["tx br, tx ve, rx eth0"]
    late = [(s.event, s.place) for s in truth.packets[0].sightings if s.late]
    assert late == [("net_dev_xmit", 1), ("net_dev_xmit", 0)]
    assert [s.depth for s in truth.packets[0].sightings] == [0, 0, 1, 1, 2, 3, 2, 1, 0, 0]


def test_an_exit_belongs_to_the_packet_whose_call_it_ends() -> None:
    truth = truth_of(
        events_of("""
        netif_receive_skb_entry br A 84
        netif_receive_skb br A 84
        net_dev_queue br B 98
        net_dev_start_xmit br B 98
        netif_rx_entry eth0 B 84
        netif_rx_exit -
        net_dev_xmit br B 98
        netif_receive_skb_exit -
    """)
    )
    assert ways(truth) == ["rx br", "tx br, rx eth0"]
    assert [s.event for s in truth.packets[0].sightings][-1] == "netif_receive_skb_exit"
    assert not truth.unmatched


def test_one_exit_ends_a_whole_list() -> None:
    truth = truth_of(
        events_of("""
        netif_receive_skb_list_entry eth0 A 60
        netif_receive_skb_list_entry eth0 B 60
        netif_receive_skb_list_exit -
        netif_receive_skb_list_exit -
    """)
    )
    assert dict(truth.unmatched) == {"netif_receive_skb_list_exit": 1}


def test_calls_nest_on_each_cpu_by_itself() -> None:
    truth = truth_of(
        events_of("""
        netif_rx_entry eth0 A 84 cpu=0
        netif_rx_entry eth1 B 84 cpu=1
        netif_rx_exit - cpu=0
        netif_rx_exit - cpu=1
    """)
    )
    assert [[s.event for s in packet.sightings] for packet in truth.packets] == [
        ["netif_rx_entry", "netif_rx_exit"]
    ] * 2


def test_a_driver_that_was_busy_is_the_same_place_twice() -> None:
    truth = truth_of(
        events_of("""
        net_dev_queue eth0 A 98
        net_dev_start_xmit eth0 A 98
        net_dev_xmit eth0 A 98 rc=16
        net_dev_start_xmit eth0 A 98
        net_dev_xmit eth0 A 98 rc=0
    """)
    )
    assert ways(truth) == ["tx eth0"]


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        ("net_dev_queue a A 98", "begins again"),
        ("net_dev_queue b A 98", "turns around"),
        ("net_dev_queue c A 130", "another length"),
        ("net_dev_queue c A 98 +200000000", "silence"),
    ],
)
def test_a_reused_address_is_another_packet(second: str, reason: str) -> None:
    truth = truth_of(events_of(f"net_dev_queue a A 98\nnetif_rx b A 84\n{second}"))
    assert len(truth.packets) == 2
    assert dict(truth.cuts) == {reason: 1}


def test_forwarded_bridged_and_tunnelled_packets_stay_one() -> None:
    truth = truth_of(
        events_of("""
        net_dev_queue vx0 A 98
        net_dev_queue eth0 A 148
        netif_rx eth1 A 134
        netif_receive_skb eth1 A 134
        napi_gro_receive_entry vx1 A 84
        net_dev_queue br A 98
        net_dev_queue port A 98
    """)
    )
    assert ways(truth) == ["tx vx0, tx eth0, rx eth1, rx vx1, tx br, tx port"]


def test_merged_and_freed_packets_end() -> None:
    text = """
        napi_gro_receive_entry eth0 A 1500
        napi_gro_receive_exit - rc=1
        napi_gro_receive_entry eth0 A 1500
        napi_gro_receive_exit - rc=3
        skb:kfree_skb - A
        netif_rx eth0 A 84
    """
    truth = truth_of(events_of(text))
    assert [packet.end for packet in truth.packets] == ["merged", "freed", ""]


def test_an_event_of_unknown_meaning_is_counted_and_not_placed() -> None:
    truth = truth_of(events_of("net_dev_novelty eth0 A 98\nnet_dev_queue eth0 A 98"))
    assert dict(truth.unplaced) == {"net_dev_novelty": 1}
    assert ways(truth) == ["tx eth0"]


def test_an_end_without_its_beginning_is_a_witness_all_the_same() -> None:
    truth = truth_of(events_of("net_dev_xmit eth0 A 98\nnetif_rx_exit -"))
    assert ways(truth) == ["tx eth0"]
    assert dict(truth.unmatched) == {"net_dev_xmit": 1, "netif_rx_exit": 1}


@st.composite
def walks(draw: st.DrawFn) -> tuple[str, list[str]]:
    """Packets on their way through devices of different names, their events written as the kernel fires them."""
    lines: list[str] = []
    expected = []
    for number in range(draw(st.integers(1, 4))):
        packet = f"P{number}"
        length = draw(st.integers(60, 1400))
        way: list[str] = []
        pending: list[str] = []
        for at in range(draw(st.integers(1, 6))):
            dev = f"d{number}x{at}"
            sent = not way or way[-1].startswith("rx") or draw(st.booleans())
            if sent:
                way.append(f"tx {dev}")
                lines += [f"net_dev_queue {dev} {packet} {length + 14}"] * draw(st.integers(0, 1))
                lines.append(f"net_dev_start_xmit {dev} {packet} {length + 14}")
                pending.append(f"net_dev_xmit {dev} {packet} {length + 14}")
                continue
            way.append(f"rx {dev}")
            kind = draw(st.sampled_from(["netif_rx", "netif_rx_entry", "napi_gro_receive_entry"]))
            lines.append(f"{kind} {dev} {packet} {length}")
            if kind == "netif_rx_entry":
                lines.append("netif_rx_exit -")
            if kind == "napi_gro_receive_entry":
                lines.append("napi_gro_receive_exit - rc=3")
            lines += reversed(pending)
            pending = []
            lines += [f"netif_receive_skb {dev} {packet} {length}"] * draw(st.integers(0, 1))
        lines += reversed(pending)
        expected.append(", ".join(way))
    return "\n".join(lines), expected


@given(walks())
def test_every_way_is_found_again(walk: tuple[str, list[str]]) -> None:
    text, expected = walk
    truth = truth_of(events_of(text))
    assert ways(truth) == expected
    assert not truth.unmatched


BUILT = {
    "loopback": ["tx lo, rx lo"],
    "container": ["tx {p}br, tx {p}ve, rx eth0", "tx eth0, rx {p}ve, rx {p}br"],
    "external": ["tx {p}wl, rx wlan0, tx eth1, rx eth0", "tx eth0, rx eth1, tx wlan0, rx {p}wl"],
    "router": ["tx eth0, rx eth0, tx eth1, rx eth1", "tx eth1, rx eth1, tx eth0, rx eth0"],
    "vxlan": ["tx vx0, tx eth0, rx eth0, rx vx0"],
    "drop": ["tx {p}br, tx {p}ve, rx eth0"],
    "queue": ["tx {p}br, tx {p}ve"],
    "bulk": ["tx eth0, rx eth1", "tx eth1, rx eth0"],
}


@pytest.mark.parametrize("name", [scenario.name for scenario in SCENARIOS])
def test_samples_show_the_ways_their_networks_were_built_for(name: str) -> None:
    material = read(str(SAMPLES / name), name)
    devices = {place.dev for packet in material.truth.packets for place in packet.places}
    prefix = next((dev[:8] for dev in devices if dev.startswith("pp")), "")
    expected = {path(way.format(p=prefix)) for way in BUILT[name]}
    assert {tuple(packet.places) for packet in material.truth.packets} == expected
    assert not material.truth.unmatched
    assert not material.truth.unplaced


PINGS = ["loopback", "container", "external", "router", "vxlan", "drop", "queue"]


@pytest.mark.parametrize("name", PINGS)
def test_journeys_of_the_four_events_agree_with_all_events(name: str) -> None:
    """The tracker goes by the four and has rules of its own; on the pings of the samples both say the same."""
    table = concatenated(list(open_recording(str(SAMPLES / name / "perf.data")).batches()))
    hops = follow(table, None, Diagnostics()).hops
    journeys: dict[int, list[str]] = {}
    rows = zip(hops["journey"].tolist(), hops.texts("direction"), hops.texts("dev"), strict=True)
    for number, direction, dev in rows:
        journeys.setdefault(number, []).append(f"{direction} {dev}")
    assert sorted(map(", ".join, journeys.values())) == sorted(ways(truth_of(table)))
