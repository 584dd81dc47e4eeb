"""What call stacks say of each other, and what bytes say: on made-up stacks and packets."""

from __future__ import annotations

import struct

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from walks import PROCESS, SOFTIRQ, Hop, table_of

from perfpath.diagnostics import Diagnostics
from perfpath.firstbytes import FirstBytes, packed
from perfpath.journeys.tracker import Options, Result, follow
from perfpath.symbols import SavedSymbols
from perfpath.tables import Table

TX, RX = "net_dev_queue", "netif_rx"
FUNCTIONS: dict[str, int] = {}


def stack(text: str) -> tuple[int, ...]:
    """Addresses of `function+offset`, innermost first."""
    frames = []
    for each in text.split(" < "):
        name, _, offset = each.partition("+")
        frames.append((FUNCTIONS.setdefault(name, len(FUNCTIONS) + 1) << 12) + int(offset or "0"))
    return tuple(frames)


def told(*hops: tuple[float, str, str, int, int, str], flags: int = SOFTIRQ) -> Result:
    """(microseconds, event, device, address, length, stack) of each hop, followed."""
    made = [
        Hop(int(1e9 + us * 1000), 0, event, dev, 0xFFFF888100000000 + address * 256, size, flags, 0, 7, 0, 0)
        for us, event, dev, address, size, _ in hops
    ]
    stacks = [stack(text) for *_, text in hops]
    table = table_of(made)
    table = Table({**table.columns, "stack": np.arange(len(hops), dtype=np.int32)}, table.names)
    names = {code: name for name, code in FUNCTIONS.items()}
    texts = {at: f"{names[at >> 12]}+{at & 0xFFF:#x}" for each in stacks for at in each}
    return follow(table, None, Diagnostics(), Options(symbols=SavedSymbols(texts), stacks=stacks))


def lineage(result: Result) -> list[tuple[int, str | None]]:
    return list(zip(result.journeys["parent"].tolist(), result.journeys.texts("lineage"), strict=True))


SENT = "__dev_queue_xmit+1 < ip_finish_output2 < ip_output < raw_sendmsg"
BELOW = "dev_hard_start_xmit < __dev_queue_xmit+2 < ip_finish_output2 < ip_output < raw_sendmsg"


def test_a_copy_is_linked_to_the_packet_in_whose_course_it_was_made() -> None:
    flooded = f"__dev_queue_xmit+1 < br_dev_queue_push_xmit < maybe_deliver < br_flood < br_dev_xmit < {BELOW}"
    result = told((0, TX, "br0", 1, 98, SENT), (2, TX, "p1", 2, 98, flooded), (4, TX, "p0", 1, 98, flooded))
    assert lineage(result) == [(-1, None), (0, "flooded copy")]


def test_segments_are_shorter() -> None:
    crossed = f"netif_rx_internal < __netif_rx < veth_xmit < {BELOW}"
    result = told((0, TX, "v0", 1, 2962, SENT), (2, RX, "v1", 2, 1500, crossed), (4, RX, "v1", 3, 1500, crossed))
    assert lineage(result) == [(-1, None), (0, "segment"), (0, "segment")]


def test_what_waited_in_a_queue_is_nobodys_copy() -> None:
    queued = BELOW.replace("dev_hard_start_xmit <", "dev_hard_start_xmit < sch_direct_xmit < __qdisc_run <")
    result = told((0, TX, "v0", 1, 98, SENT), (2, RX, "v1", 2, 84, f"netif_rx_internal < veth_xmit < {queued}"))
    assert lineage(result) == [(-1, None)] * 2


def test_what_is_below_the_softirq_was_interrupted() -> None:
    other = f"__dev_queue_xmit+1 < br_forward < process_backlog < handle_softirqs < {BELOW}"
    result = told((0, TX, "v0", 1, 98, SENT), (2, TX, "v1", 2, 98, other))
    assert lineage(result) == [(-1, None)] * 2


def test_another_call_of_the_same_kind_is_another_cause() -> None:
    crossed = f"netif_rx_internal < __netif_rx < veth_xmit < {BELOW}"
    first, second = (0, TX, "v0", 1, 2962, SENT), (1, TX, "v0", 2, 2962, SENT)
    result = told(first, second, (2, RX, "v1", 3, 1500, crossed))
    assert lineage(result) == [(-1, None), (-1, None), (1, "segment")]
    elsewhere = SENT.replace("raw_sendmsg", "udp_sendmsg")
    result = told(first, (1, TX, "v0", 2, 2962, elsewhere), (2, RX, "v1", 3, 1500, crossed))
    assert lineage(result) == [(-1, None), (-1, None), (0, "segment")]


def tcp(seq: int, size: int, ident: int) -> bytes:
    body = struct.pack("!HHIIBBHHH", 1, 80, seq % 2**32, 0, 0x50, 16, 99, 0, 0) + bytes(size)
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), ident, 0, 64, 6, 0, b"\x0a\0\0\1", b"\x0a\0\0\2")
    return bytes(12) + b"\x08\x00" + head + body


def sent(sizes: list[tuple[int, int]]) -> list[tuple[int, str | None]]:
    """(sequence number, bytes) of each packet that one host sends over a device, a millisecond apart."""
    frames = [tcp(seq, size, number + 1) for number, (seq, size) in enumerate(sizes)]
    hops = [
        Hop(10**9 + number * 10**6, 0, TX, "v0", 0xFFFF888100000000 + number * 256, 54 + size, PROCESS, 0, 7, 0, 0)
        for number, (_, size) in enumerate(sizes)
    ]
    return lineage(with_bytes(frames, hops))


def with_bytes(frames: list[bytes], hops: list[Hop]) -> Result:
    raw = np.zeros((len(frames), 128), np.uint8)
    for row, frame in enumerate(frames):
        raw[row, : min(len(frame), 128)] = np.frombuffer(frame[:128], np.uint8)
    length = np.array([len(frame) for frame in frames])
    fill = {"layer": np.full(len(frames), 2), "ethertype": np.full(len(frames), 0x800)}
    packets = FirstBytes()
    packets.add(packed(raw, np.minimum(length, 128), **fill, network=np.full(len(frames), 14), length=length))
    table = table_of(hops)
    table = Table({**table.columns, "packet": np.arange(len(frames), dtype=np.int64)}, table.names)
    return follow(table, None, Diagnostics(), Options(packets=packets))


@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.tuples(st.integers(1, 3000), st.lists(st.integers(0, 9), max_size=2)), min_size=1, max_size=12),
)
def test_what_is_sent_again_is_found_whatever_the_numbers(start: int, said: list[tuple[int, list[int]]]) -> None:
    """New bytes are new packets; what was sent before is sent again, whole or a part of it."""
    sizes: list[tuple[int, int]] = []
    fresh: list[int] = []
    truth: list[tuple[int, str | None]] = []
    seq = start
    for size, again in said:
        fresh.append(len(sizes))
        truth.append((-1, None))
        sizes.append((seq, size))
        seq += size
        for back in again:
            origin = fresh[-1 - back % len(fresh)]
            latest = max(n for n, (s, z) in enumerate(sizes) if (s, z) == sizes[origin])
            truth.append((latest, "retransmission"))
            sizes.append(sizes[origin])
    assert sent(sizes) == truth


def test_a_part_of_a_long_packet_sent_again() -> None:
    assert sent([(100, 3000), (3100, 10), (1500, 1000)]) == [(-1, None), (-1, None), (0, "retransmission")]


def test_a_stack_that_fits_joins_whatever_the_rules_say() -> None:
    """A device may send through another of the same name, in another namespace."""
    hops = ((0, TX, "eth0", 1, 98, SENT), (2, TX, "eth0", 1, 98, f"__dev_queue_xmit+1 < macvlan_start_xmit < {BELOW}"))
    assert told(*hops).journeys["hops"].tolist() == [2]
    hops = (hops[0], (2, TX, "eth0", 1, 98, SENT))
    assert told(*hops).journeys["hops"].tolist() == [1, 1]


def test_what_the_host_sends_of_its_own_is_another_packet() -> None:
    crossed = (2, RX, "v1", 1, 84, f"netif_rx_internal < veth_xmit < {BELOW}")
    routed = "__dev_queue_xmit+1 < ip_finish_output2 < ip_forward < __netif_receive_skb_one_core < process_backlog"
    echoed = "__dev_queue_xmit+1 < ip_push_pending_frames < icmp_echo < __netif_receive_skb_one_core < process_backlog"
    first = (0, TX, "v0", 1, 98, SENT)
    assert told(first, crossed, (4, TX, "v2", 1, 98, routed)).journeys["hops"].tolist() == [3]
    result = told(first, crossed, (4, TX, "v2", 1, 98, echoed))
    assert (result.journeys["hops"].tolist(), result.journeys.texts("cut")) == ([2, 1], ["made", None])


def test_tunnels_send_what_was_there_before() -> None:
    inner = f"__dev_queue_xmit+1 < ip_local_out < iptunnel_xmit < vxlan_xmit < {BELOW}"
    result = told((0, TX, "vx0", 1, 98, SENT), (2, TX, "eth0", 1, 148, inner))
    assert result.journeys["hops"].tolist() == [2]


@given(st.lists(st.booleans(), min_size=1, max_size=20))
def test_bytes_cut_what_everything_else_would_join(same: list[bool]) -> None:
    """v0 to v1, at once, as long; the receiver's bytes are the sender's or another's, of another sequence number."""
    frames, hops = [], []
    for number, alike in enumerate(same):
        at, address = 10**9 + number * 10**6, 0xFFFF888100000000 + number * 256
        frames += [
            tcp(1000 * number, 50, 2 * number + 1),
            tcp(1000 * number + (0 if alike else 50), 50, 2 * number + 1),
        ]
        hops.append(Hop(at, 0, TX, "v0", address, 104, PROCESS, 0, 7, 0, 0))
        hops.append(Hop(at + 2000, 0, RX, "v1", address, 90, PROCESS, 0, 7, 0, 0))
    result = with_bytes(frames, hops)
    assert result.journeys["hops"].tolist() == [size for alike in same for size in ([2] if alike else [1, 1])]
    assert result.journeys.texts("cut").count("content") == same.count(False)
