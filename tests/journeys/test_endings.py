"""Which drop is whose: addresses that are given out again, packets no device saw, whole recordings and streams."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perfpath import schema
from perfpath.diagnostics import Diagnostics
from perfpath.journeys.tracker import Options, Result, Tracker, follow
from perfpath.symbols import SavedSymbols
from perfpath.tables import Names, Table

PROCESS, SOFTIRQ = 0, 0x10
SYMBOLS = SavedSymbols(
    {
        0x10: "nft_do_chain+0x1",
        0x20: "ping_rcv+0xab",
        0x30: "packet_rcv+0x5",
        0x40: "tcp_recvmsg+0x1",
        0x50: "raw_rcv+0x90",
        0x60: "icmp_rcv+0x1f1",
        0x70: "icmpv6_rcv+0x3a",
    }
)


@dataclass
class Event:
    """`time` in microseconds; a drop has a reason, a hop a device."""

    time: int
    address: int
    event: str
    dev: str | None = None
    reason: str | None = None
    location: int = 0x10
    flags: int = SOFTIRQ
    protocol: int = 0x0800
    length: int = 98


def sent(time: int, address: int, dev: str = "eth0", flags: int = PROCESS) -> Event:
    return Event(time, address, "net_dev_queue", dev, flags=flags)


def received(time: int, address: int, dev: str = "eth1") -> Event:
    return Event(time, address, "netif_rx", dev, length=84)


def drop(
    time: int,
    address: int,
    reason: str | None = "NETFILTER_DROP",
    *,
    location: int = 0x10,
    flags: int = SOFTIRQ,
    protocol: int = 0x0800,
) -> Event:
    more = {"location": location, "flags": flags, "protocol": protocol}
    return Event(time, address, "skb:kfree_skb", None, reason, **more)


def table(events: list[Event], names: dict[str, Names] | None = None) -> Table:
    names = {name: Names() for name in ("event", "dev", "comm", "reason", "location")} if names is None else names

    def codes(column: str, texts: list[str | None]) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
        return np.array([-1 if text is None else names[column].code(text) for text in texts], dtype=np.int32)

    is_drop = [each.event == "skb:kfree_skb" for each in events]
    return Table.filled(
        schema.EVENTS,
        len(events),
        names,
        time_ns=np.array([each.time * 1000 for each in events], dtype=np.int64),
        cpu=np.zeros(len(events), dtype=np.int16),
        pid=np.full(len(events), 7),
        tid=np.full(len(events), 7),
        comm=codes("comm", ["ping"] * len(events)),
        event=codes("event", [each.event for each in events]),
        dev=codes("dev", [each.dev for each in events]),
        skbaddr=np.array([each.address for each in events], dtype=np.uint64),
        len=np.array([each.length if each.dev else 0 for each in events], dtype=np.uint32),
        protocol=np.array([each.protocol if each.event == "skb:kfree_skb" else 0 for each in events], dtype=np.uint16),
        flags=np.array([each.flags for each in events], dtype=np.int16),
        task_netns=np.full(len(events), 4026532000, dtype=np.uint32),
        reason=codes("reason", [each.reason for each in events]),
        location=codes(
            "location", [hex(each.location) if d else None for each, d in zip(events, is_drop, strict=True)]
        ),
    )


def told(result: Result) -> list[tuple[int, int, str | None, str | None]]:
    """(address, hops, outcome, reason) of each journey."""
    journeys = result.journeys
    columns = (journeys["skbaddr"].tolist(), journeys["hops"].tolist(), journeys.texts("outcome"))
    return list(zip(*columns, journeys.texts("reason"), strict=True))


def whole(*events: Event, diagnostics: Diagnostics | None = None) -> list[tuple[int, int, str | None, str | None]]:
    return told(follow(table(list(events)), None, diagnostics or Diagnostics(), Options(symbols=SYMBOLS)))


def test_a_drop_ends_the_packet_that_was_received_last_at_its_address() -> None:
    assert whole(sent(0, 1), received(5, 1), drop(8, 1)) == [(1, 2, "dropped", "NETFILTER_DROP")]


def test_a_drop_on_output_is_another_packet_than_the_one_that_had_the_address_before() -> None:
    found = whole(sent(0, 1), received(5, 1), drop(900, 1, flags=PROCESS))
    assert found == [(1, 2, None, None), (1, 0, "dropped", "NETFILTER_DROP")]


def test_the_second_drop_at_an_address_is_a_second_packet() -> None:
    found = whole(sent(0, 1), received(5, 1), drop(8, 1), drop(20, 1))
    assert found == [(1, 2, "dropped", "NETFILTER_DROP"), (1, 0, "dropped", "NETFILTER_DROP")]


def test_what_a_socket_drops_late_was_received_before() -> None:
    found = whole(sent(0, 1), received(5, 1), drop(90_000, 1, "SOCKET_FILTER", flags=PROCESS))
    assert found == [(1, 2, "dropped", "SOCKET_FILTER")]


def test_a_drop_long_after_the_last_hop_is_another_packet() -> None:
    found = whole(sent(0, 1), received(5, 1), drop(3_000_000, 1))
    assert found == [(1, 2, None, None), (1, 0, "dropped", "NETFILTER_DROP")]


def test_numbers_follow_time_also_of_packets_that_no_device_saw() -> None:
    found = whole(drop(0, 9, flags=PROCESS), sent(10, 1), received(15, 1), drop(20, 9, flags=PROCESS), sent(30, 2))
    assert [address for address, *_ in found] == [9, 1, 9, 2]


@pytest.mark.parametrize(
    ("event", "note"),
    [
        (drop(5, 9, "NOT_SPECIFIED", protocol=0), "no-packets"),
        (drop(5, 9, "PACKET_SOCK_ERROR", location=0x30), "no-drop-packet_rcv"),
    ],
)
def test_messages_and_sniffers_copies_are_counted_and_no_packets(event: Event, note: str) -> None:
    diagnostics = Diagnostics()
    assert whole(sent(0, 1), event, diagnostics=diagnostics) == [(1, 1, None, None)]
    assert diagnostics.notes[note].count == 1


@pytest.mark.parametrize(  # older kernels free it one function further up, and those before 5.17 say no reason
    ("location", "reason"), [(0x20, "NO_SOCKET"), (0x60, "NO_SOCKET"), (0x70, "NO_SOCKET"), (0x60, None)]
)
def test_a_reply_that_ping_rcv_frees_is_delivered_and_the_rule_is_told(location: int, reason: str | None) -> None:
    diagnostics = Diagnostics()
    function = SYMBOLS.texts[location].partition("+")[0]
    request = (sent(0, 1, "lo"), received(5, 1, "lo"))
    reply = (sent(9, 2, "lo", flags=SOFTIRQ), received(12, 2, "lo"), drop(15, 2, reason, location=location))
    request[1].flags = SOFTIRQ
    assert whole(*request, *reply, diagnostics=diagnostics) == [(1, 2, "answered", None), (2, 2, "delivered", None)]
    assert diagnostics.notes[f"no-drop-{function}"].count == 1


def test_what_ping_rcv_frees_is_no_drop_where_nobody_saw_a_ping_before() -> None:
    """The request may have been sent before the recording began, or its hops are not in it."""
    diagnostics = Diagnostics()
    freed = drop(15, 2, "NO_SOCKET", location=0x20)
    assert whole(sent(9, 2, flags=SOFTIRQ), received(12, 2), freed, diagnostics=diagnostics) == [(2, 2, None, None)]
    assert whole(sent(9, 1), freed, diagnostics=diagnostics) == [(1, 1, None, None)]
    assert diagnostics.notes["unsure-ping_rcv"].count == 2
    assert "no-drop-ping_rcv" not in diagnostics.notes


def test_a_raw_sockets_copy_does_not_end_the_packet_that_had_its_address() -> None:
    events = (sent(0, 1), received(5, 1), drop(9, 1, "SOCKET_FILTER", location=0x50))
    journeys = follow(table(list(events)), None, Diagnostics(), Options(symbols=SYMBOLS)).journeys
    assert (journeys.texts("outcome"), journeys["ended_ns"].tolist()) == ([None], [-1])


@pytest.mark.parametrize("reason", ["NO_SOCKET", "SOCKET_FILTER", "NOT_SPECIFIED", "QUEUE_PURGE", None])
@pytest.mark.parametrize("address", [1, 2], ids=["seen", "unseen"])
def test_without_symbols_nothing_is_a_drop_that_may_be_none(reason: str | None, address: int) -> None:
    diagnostics = Diagnostics()
    found = whole(sent(0, 1), received(5, 1), drop(9, address, reason, location=0x99), diagnostics=diagnostics)
    assert found == [(1, 2, None, None)]
    codes = ("nameless-frees", "nameless-drops", f"nameless-{reason}")
    assert [diagnostics.notes[code].count for code in codes if code in diagnostics.notes] == [1]


def test_without_symbols_a_telling_reason_and_a_refusal_are_drops_still() -> None:
    assert whole(sent(0, 1), received(5, 1), drop(9, 1, location=0x99))[0][2] == "dropped"
    request = (sent(0, 1, "lo"), received(5, 1, "lo"), drop(11, 1, "NO_SOCKET", location=0x99))
    request[1].flags = SOFTIRQ
    reset = (sent(9, 2, "lo", flags=SOFTIRQ), received(12, 2, "lo"))
    events = sorted((*request, *reset), key=lambda each: each.time)
    assert whole(*events)[0] == (1, 2, "dropped", "NO_SOCKET")


def test_without_symbols_nobody_knows_whether_a_reply_was_dropped() -> None:
    diagnostics = Diagnostics()
    request = (sent(0, 1, "lo"), received(5, 1, "lo"))
    reply = (sent(9, 2, "lo", flags=SOFTIRQ), received(12, 2, "lo"), drop(15, 2, "NO_SOCKET", location=0x99))
    assert whole(*request, *reply, diagnostics=diagnostics)[1] == (2, 2, None, None)
    assert diagnostics.notes["nameless-frees"].count == 1


ACTIONS = st.lists(st.tuples(st.sampled_from("srdop"), st.integers(1, 4), st.integers(1, 900)), min_size=1, max_size=60)


@given(ACTIONS, st.lists(st.integers(0, 20), max_size=20))
@settings(max_examples=200, deadline=None)
def test_streams_tell_what_whole_recordings_tell(actions: list[tuple[str, int, int]], sizes: list[int]) -> None:
    events, now = [], 0
    for kind, address, step in actions:
        now += step
        events.append(
            {
                "s": sent(now, address),
                "r": received(now, address),
                "d": drop(now, address),
                "o": drop(now, address, flags=PROCESS),
                "p": drop(now, address, "NOT_SPECIFIED", protocol=0),
            }[kind]
        )
    options = Options(gap_ns=500_000, reply_ns=50_000, symbols=SYMBOLS)
    everything, streamed = Diagnostics(), Diagnostics()
    expected = told(follow(table(events), None, everything, options))
    tracker, names = Tracker(None, streamed, options), table(events).names
    found, at = [], 0
    for size in sizes:
        found += told(tracker.feed(table(events[at : at + size], names)).closed)
        at += size
    found += told(tracker.feed(table(events[at:], names)).closed)
    found += told(tracker.close())
    assert sorted(found, key=str) == sorted(expected, key=str)
    for note in ("no-packets",):
        counts = [each.notes[note].count if note in each.notes else 0 for each in (everything, streamed)]
        assert counts[0] == counts[1]
