"""Write, then read: lines as the tools print them, from events that hypothesis invents, are read as what they were."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from perfpath.errors import InputError
from perfpath.readers.text import bulk
from perfpath.readers.text.decoder import TextDecoder
from perfpath.readers.text.lines import parse_line
from perfpath.readers.text.record import Event
from perfpath.schema import UNKNOWN_RC

if TYPE_CHECKING:
    from collections.abc import Callable

    from perfpath.readers.text.chunk import Chunk
    from perfpath.readers.text.rows import Rows
    from perfpath.tables import Array, Table

SECOND = 1_000_000_000


@dataclass(frozen=True)
class Hit:
    """One tracepoint hit, with names as the kernel has them: bytes."""

    event: str
    time_ns: int
    cpu: int
    pid: int
    comm: bytes
    dev: bytes
    skbaddr: int
    len: int
    rc: int


def payload(hit: Hit) -> bytes:
    """include/trace/events/net.h: TP_printk."""
    dev, skb = hit.dev, b"0x%x" % hit.skbaddr
    match hit.event:
        case "net_dev_xmit":
            return b"dev=%b skbaddr=%b len=%d rc=%d" % (dev, skb, hit.len, hit.rc)
        case "netif_rx_exit":
            return b"ret=%d" % hit.rc
        case "netif_receive_skb_entry":
            return (
                b"dev=%b napi_id=%#x queue_mapping=0 skbaddr=%b vlan_tagged=0 vlan_proto=0x0000 vlan_tci=0x0000 "
                b"protocol=0x0800 ip_summed=0 hash=0x00000000 l4_hash=0 len=%d data_len=0 truesize=832 "
                b"mac_header_valid=1 mac_header=-14 nr_frags=0 gso_size=0 gso_type=0" % (dev, hit.cpu, skb, hit.len)
            )
        case _:
            return b"dev=%b skbaddr=%b len=%d" % (dev, skb, hit.len)


def beauty(hit: Hit) -> bytes:
    """tools/perf/builtin-trace.c: trace__fprintf_tp_fields, which leaves out zeros."""
    name = b'name: "%b"' % hit.dev
    skb = b"skbaddr: 0x%x" % hit.skbaddr
    length = [b"len: %d" % hit.len] if hit.len else []
    rc = [b"rc: %d" % (hit.rc % (1 << 32))] if hit.rc else []
    match hit.event:
        case "net_dev_xmit":
            return b", ".join([skb, *length, *rc, name])
        case "netif_rx_exit":
            return b"".join(rc).replace(b"rc", b"ret")
        case "netif_receive_skb_entry":
            return b", ".join([name, skb, b"protocol: 2048", *length, b"truesize: 832", b"mac_header: 4294967282"])
        case _:
            return b", ".join([skb, *length, name])


def fraction(time_ns: int, digits: int) -> bytes:
    return b"%d.%0*d" % (time_ns // SECOND, digits, time_ns % SECOND // 10 ** (9 - digits))


def script(hit: Hit) -> bytes:
    name = b"net:" + hit.event.encode()
    return b"%16b %5d [%03d] %12b: %28b: %b" % (
        hit.comm, hit.pid, hit.cpu, fraction(hit.time_ns, 6), name, payload(hit),
    )  # fmt: skip


def script_ns(hit: Hit) -> bytes:
    name = b"net:" + hit.event.encode()
    return b"%16b %7d/%-7d [%03d] %15b: %28b: %b" % (
        hit.comm, hit.pid, hit.pid, hit.cpu, fraction(hit.time_ns, 9), name, payload(hit),
    )  # fmt: skip


def ftrace(hit: Hit) -> bytes:
    bare = payload(hit).replace(b"skbaddr=0x%x" % hit.skbaddr, b"skbaddr=%016x" % hit.skbaddr)
    return b"%16b-%-7d [%03d] b.s2. %12b: %b: %b" % (
        hit.comm, hit.pid, hit.cpu, fraction(hit.time_ns, 6), hit.event.encode(), bare,
    )  # fmt: skip


def trace_cmd(hit: Hit) -> bytes:
    name = hit.event.encode() + b":"
    return b"%16b-%-5d [%03d] %12b: %-21b %b" % (
        hit.comm, hit.pid, hit.cpu, fraction(hit.time_ns, 6), name, payload(hit),
    )  # fmt: skip


def _milliseconds(hit: Hit) -> bytes:
    return b"%10b" % (b"%d.%03d" % (hit.time_ns // 1_000_000, hit.time_ns % 1_000_000 // 1000))


def trace_printed(hit: Hit) -> bytes:
    return b"%b %b/%d net:%b(%b)" % (_milliseconds(hit), hit.comm[:14], hit.pid, hit.event.encode(), payload(hit))


def trace_beauty(hit: Hit) -> bytes:
    return b"%b %b/%d net:%b(%b)" % (_milliseconds(hit), hit.comm[:14], hit.pid, hit.event.encode(), beauty(hit))


FORMATS: dict[str, Callable[[Hit], bytes]] = {
    "perf script": script,
    "perf script --ns": script_ns,
    "ftrace": ftrace,
    "trace-cmd": trace_cmd,
    "perf trace --libtraceevent_print": trace_printed,
    "perf trace": trace_beauty,
}

EVENT_NAMES = ("net_dev_queue", "netif_rx", "net_dev_xmit", "netif_rx_exit", "netif_receive_skb_entry")

_comm_bytes = st.one_of(
    st.sampled_from(
        [b"ping", b"a b", b"x-12 [000]", b"1 [000] 1.0: x", b"a(b): c/1", b"\xff\x1b[31m", b"swapper/0", b""]
    ),
    st.binary(max_size=15),
    st.text("a0 []()/-:.=", max_size=15).map(str.encode),
)
comms = _comm_bytes.filter(lambda comm: not set(b"\0\n") & set(comm) and not comm.startswith(b"["))
"""What prctl(PR_SET_NAME) takes, without line breaks; `[123] x` would look like perf trace --show-cpu's column."""

_dev_bytes = st.one_of(
    st.sampled_from(
        [b"eth0", b"docker0", b"lo", b'a"b', b'",len:', b"x=1", b"a(b)", b"len=5", b"[red]", b"\xff\x1b[2J", b")"]
    ),
    st.binary(min_size=1, max_size=15),
)
devs = _dev_bytes.filter(lambda dev: not set(b"\0 \t\n\v\f\r/:\xa0") & set(dev))
"""What dev_valid_name (net/core/dev.c) takes."""

hits = st.builds(
    Hit,
    event=st.sampled_from(EVENT_NAMES),
    time_ns=st.integers(0, 99_999 * SECOND),
    cpu=st.integers(0, 999),
    pid=st.integers(0, 4_194_304),
    comm=comms,
    dev=devs,
    skbaddr=st.one_of(st.integers(0xFFFF_8881_0000_0000, 0xFFFF_8881_FFFF_FFFF), st.integers(1, (1 << 64) - 1)),
    len=st.one_of(st.integers(0, 70_000), st.integers(0, (1 << 32) - 1)),
    rc=st.one_of(st.sampled_from([0, 1, 16]), st.integers(-1000, 1000)),
)


def _read(line: bytes) -> Event:
    said = parse_line(line)
    assert isinstance(said, Event), line
    return said


@pytest.mark.parametrize("format_name", FORMATS)
@given(hit=hits)
@settings(max_examples=300)
def test_a_written_line_is_read_as_what_it_was(format_name: str, hit: Hit) -> None:
    head, fields = _read(FORMATS[format_name](hit))
    assert format_name.startswith(head.format)
    assert head.event == hit.event
    assert head.pid == head.tid == hit.pid
    exact = {"perf script --ns": 1, "perf trace": 1_000, "perf trace --libtraceevent_print": 1_000}.get(
        format_name, 1_000
    )
    assert head.time_ns == hit.time_ns // exact * exact
    assert head.cpu == (-1 if head.format == "perf trace" else hit.cpu)
    comm = hit.comm[:14] if head.format == "perf trace" else hit.comm.strip(b" ")
    assert head.comm == comm
    has_device = hit.event != "netif_rx_exit"
    assert fields.dev == (hit.dev if has_device else None)
    assert fields.skbaddr == (hit.skbaddr if has_device else 0)
    assert fields.len == (hit.len if has_device else 0)
    assert fields.protocol == (0x0800 if hit.event == "netif_receive_skb_entry" else 0)
    assert fields.rc == (hit.rc if hit.event in ("net_dev_xmit", "netif_rx_exit") else UNKNOWN_RC)
    assert head.flags == (0x90 if head.format == "ftrace" else -1)


def _table(text: bytes) -> tuple[Table, TextDecoder]:
    decoder = TextDecoder()
    decoder.feed(text)
    return decoder.close(), decoder


def _leave_all(_: bulk.Bulk, chunk: Chunk, __: Rows) -> Array:
    return np.arange(len(chunk))


def _assert_same(text: bytes) -> None:
    """The bulk way and the line by line way give the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bulk, "_FEWEST", 1)
        fast, fast_decoder = _table(text)
        patch.setattr(bulk.Bulk, "fill", _leave_all)
        slow, slow_decoder = _table(text)
    assert list(fast.columns) == list(slow.columns)
    for name in slow.columns:
        if name in slow.names:
            assert fast.texts(name) == slow.texts(name), name
        else:
            assert fast[name].dtype == slow[name].dtype
            assert fast[name].tolist() == slow[name].tolist(), name
    assert fast_decoder.diagnostics == slow_decoder.diagnostics
    assert fast_decoder.info.format == slow_decoder.info.format


@st.composite
def _texts(draw: st.DrawFn) -> bytes:
    """Lines of one format with few names, as recordings are, some of them damaged."""
    write = FORMATS[draw(st.sampled_from(sorted(FORMATS)))]
    some_comms = draw(st.lists(comms, min_size=1, max_size=3))
    some_devs = draw(st.lists(devs, min_size=1, max_size=3))
    hit = st.builds(
        lambda hit, comm, dev: Hit(hit.event, hit.time_ns, hit.cpu, hit.pid, comm, dev, hit.skbaddr, hit.len, hit.rc),
        hits,
        st.sampled_from(some_comms),
        st.sampled_from(some_devs),
    )
    lines = [write(one) for one in draw(st.lists(hit, min_size=1, max_size=12))]
    for _ in range(draw(st.integers(0, 3))):
        lines.append(_damaged(draw, draw(st.sampled_from(lines))))
    return b"\n".join(draw(st.permutations(lines))) + b"\n"


def _damaged(draw: st.DrawFn, line: bytes) -> bytes:
    at = draw(st.integers(0, len(line)))
    behind = draw(st.integers(at, min(len(line), at + 8)))
    return (
        line[:at] + draw(st.sampled_from([b"", b" ", b"=", b"0", b"\r", b"x", b" len=7", b".", b"a: "])) + line[behind:]
    )


@given(text=_texts())
@settings(max_examples=600, deadline=None)
@example(text=b"           net:netif_rx: dev=a skbaddr=0xffff888100000000 len=1\n" * 3)
def test_the_bulk_way_reads_what_the_careful_way_reads(text: bytes) -> None:
    try:
        _assert_same(text)
    except InputError:
        with pytest.raises(InputError):
            _table(text)


@pytest.mark.parametrize("write", FORMATS.values(), ids=FORMATS)
def test_a_recording_of_usual_events_is_read_in_bulk(write: Callable[[Hit], bytes]) -> None:
    left: list[int] = []
    careful = bulk.Bulk.fill

    def count(self: bulk.Bulk, chunk: Chunk, rows: Rows) -> Array:
        rest = careful(self, chunk, rows)
        left.append(len(rest))
        return rest

    text = b"\n".join(
        write(
            Hit(
                event,
                5_000_000_000 + 7_000 * number,
                number % 2,
                100 + number % 7,
                b"flood",
                b"eth0",
                2**64 - 256 * number - 1,
                98,
                0,
            )
        )
        for number in range(2_000)
        for event in EVENT_NAMES
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bulk.Bulk, "fill", count)
        table, decoder = _table(text + b"\n")
    assert len(table) == 10_000
    assert decoder.diagnostics.sound
    assert sum(left) == (10_000 if write is trace_beauty else 0)
    assert os.fsencode(str(table.texts("dev")[0])) == b"eth0"
