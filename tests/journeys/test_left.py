"""How packets end that no free tells of: they left this host, went to a program, or GRO put them into others."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from walks import PROCESS, Hop, table_of

from perfpath import schema
from perfpath.diagnostics import Diagnostics
from perfpath.journeys.merges import ENTRY, EXIT, Merges
from perfpath.journeys.tracker import follow
from perfpath.netns.inventory import Interface, Inventory, Namespace
from perfpath.tables import Names, Table

HOST = 4026531840
DEVICES = (
    Interface(HOST, 1, "lo"),
    Interface(HOST, 2, "card"),
    Interface(HOST, 3, "wg0", "wireguard"),
    Interface(HOST, 4, "tap0", "tun"),
    Interface(HOST, 5, "dum0", "dummy"),
    Interface(HOST, 6, "vx0", "vxlan", lower=2, lower_netns=HOST),
    Interface(HOST, 7, "veth0", "veth", peer=2, peer_netns=HOST + 1),
)
SPACES = Inventory((Namespace(HOST, "host", "host", interfaces=DEVICES),))


def outcome(*devices: str, last: str = "net_dev_queue") -> str | None:
    events = ["net_dev_queue"] * (len(devices) - 1) + [last]
    hops = [
        Hop(int(1e9) + at * 1000, 0, event, dev, 0xFFFF888100000100, 98, PROCESS, HOST, 7, 0, 0)
        for at, (event, dev) in enumerate(zip(events, devices, strict=True))
    ]
    (found,) = follow(table_of(hops), SPACES, Diagnostics()).journeys.texts("outcome")
    return found


@pytest.mark.parametrize(
    ("devices", "end"),
    [
        (("card",), "left"),
        (("vx0", "card"), "left"),
        (("wg0",), "left"),
        (("tap0",), "copied"),
        (("dum0",), None),
        (("vx0",), None),
        (("veth0",), None),
        (("lo",), None),
    ],
)
def test_the_last_device_tells_whether_a_packet_left(devices: tuple[str, ...], end: str | None) -> None:
    assert outcome(*devices) == end


def test_what_a_card_received_has_not_left() -> None:
    assert outcome("card", last="netif_rx") is None


Call = tuple[bool, int, int, int]  # an entry or exit, its CPU, its number (an address, or what an exit says), ns since


def gro_events(calls: list[Call], names: dict[str, Names]) -> Table:
    time = np.cumsum([gap for *_, gap in calls], dtype=np.int64) + 1_000_000_000
    entry = np.array([call[0] for call in calls], dtype=bool)
    number = np.array([call[2] for call in calls], dtype=np.int64)
    codes = (names["event"].code(ENTRY), names["event"].code(EXIT))
    return Table.filled(
        schema.EVENTS,
        len(calls),
        names,
        time_ns=time,
        cpu=np.array([call[1] for call in calls], dtype=np.int16),
        event=np.where(entry, *codes).astype(np.int32),
        skbaddr=np.where(entry, number + 0x1000, 0).astype(np.uint64),
        rc=np.where(entry, schema.UNKNOWN_RC, number).astype(np.int32),
    )


def merged(calls: list[Call]) -> list[tuple[int, int]]:
    """(row, address) of what GRO merged: one event at a time, as plainly as it can be written."""
    found: list[tuple[int, int]] = []
    last: dict[int, tuple[int, int]] = {}
    now = 0
    for row, (entry, cpu, number, gap) in enumerate(calls):
        now += gap
        since, address = last.pop(cpu, (-1, 0))
        if entry:
            last[cpu] = now, number + 0x1000
        elif since >= 0 and number in (0, 1) and now - since < 1_000_000:
            found.append((row, address))
    return found


CALLS = st.lists(
    st.tuples(st.booleans(), st.integers(0, 2), st.integers(0, 4), st.sampled_from([200, 900_000])), max_size=40
)


@given(CALLS, st.lists(st.integers(0, 9), max_size=9))
def test_an_exit_speaks_of_the_entry_just_before_it_on_its_cpu(calls: list[Call], sizes: list[int]) -> None:
    names = {column.name: Names() for column in schema.EVENTS if column.dtype == "category"}
    found: list[tuple[int, int]] = []
    table, merges, at = gro_events(calls, names), Merges(), 0
    for size in [*sizes, len(calls)]:
        rows, addresses = merges.told(table.take(slice(at, at + size)))
        found += zip((rows + at).tolist(), addresses.tolist(), strict=True)
        at = min(at + size, len(calls))
    assert sorted(found) == merged(calls)
