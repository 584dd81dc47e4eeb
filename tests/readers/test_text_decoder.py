"""The decoder as a whole: pieces of any size, order, losses, and what isn't understood."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfpath.errors import InputError
from perfpath.readers.text import decoder as decoder_module
from perfpath.readers.text.decoder import TextDecoder

if TYPE_CHECKING:
    from pathlib import Path

    from perfpath.tables import Table

PING = (
    b"     0.000 ping/2565 net:net_dev_queue(dev=docker0 skbaddr=0xffff88810ac64e00 len=98)\n"
    b"     0.047 ping/2565 net:net_dev_queue(dev=vetha373ab6 skbaddr=0xffff88810ac64e00 len=98)\n"
    b"     0.064 ping/2565 net:netif_rx(dev=eth0 skbaddr=0xffff88810ac64e00 len=84)\n"
)


def _decoded(text: bytes) -> tuple[Table, TextDecoder]:
    decoder = TextDecoder("some.txt")
    decoder.feed(text)
    return decoder.close(), decoder


def _rows(table: Table) -> list[tuple[int, str | None, str | None, int, int]]:
    times, skbs, lengths = (table[name].tolist() for name in ("time_ns", "skbaddr", "len"))
    return list(zip(times, table.texts("event"), table.texts("dev"), skbs, lengths, strict=True))


def _script(second: int, cpu: int = 0, skb: int = 0x10) -> bytes:
    return b"            ping   100 [%03d]  %d.000000: net:netif_rx: dev=lo skbaddr=0xffff8881000000%02x len=84\n" % (
        cpu,
        second,
        skb,
    )


PATH = [("net_dev_queue", "docker0"), ("net_dev_queue", "vetha373ab6"), ("netif_rx", "eth0")]
BACK = [("net_dev_queue", "eth0"), ("netif_rx", "vetha373ab6"), ("netif_receive_skb_entry", "docker0")]


@pytest.mark.parametrize(
    ("name", "kind", "pings"),
    [
        ("perf-6.1/four.script.txt", "perf script", 3),
        ("perf-6.12/four.script.txt", "perf script", 3),
        ("perf-7.2/four.script.txt", "perf script", 3),
        ("perf-6.1/trace.default.txt", "perf trace", 2),
        ("perf-6.12/trace.default.txt", "perf trace", 2),
        ("perf-6.1/trace.libtraceevent.txt", "perf trace", 2),
        ("perf-6.12/trace.libtraceevent.txt", "perf trace", 2),
        ("perf-7.2/trace.libtraceevent.txt", "perf trace", 2),
    ],
)
def test_corpus_pings_over_a_bridge(corpus: Path, name: str, kind: str, pings: int) -> None:
    table, decoder = _decoded((corpus / name).read_bytes())
    assert decoder.info.format == kind
    assert decoder.diagnostics.sound
    assert list(zip(table.texts("event"), table.texts("dev"), strict=True)) == (PATH + BACK) * pings
    assert set(table.texts("comm")) == {"ping"}
    assert set(table["len"].tolist()) == {98, 84}
    assert set(table["protocol"][5::6].tolist()) == {0x0800}
    assert len(set(table["skbaddr"].tolist())) >= 2


@pytest.mark.parametrize("name", ["perf-6.1/trace.net-all.txt", "perf-6.12/net-all.script-ns.txt"])
def test_corpus_all_net_events(corpus: Path, name: str) -> None:
    table, decoder = _decoded((corpus / name).read_bytes())
    assert decoder.diagnostics.sound
    assert len(table) == 20
    assert table.texts("dev").count(None) == table.texts("event").count("netif_rx_exit") + 1
    returned = [event for event, rc in zip(table.texts("event"), table["rc"].tolist(), strict=True) if rc == 0]
    there = ["netif_rx_exit", "net_dev_xmit", "net_dev_xmit"]
    assert returned == [*there, "netif_rx_exit", "net_dev_xmit", "netif_receive_skb_exit"]


def test_devices_that_perf_7_2_prints_as_numbers_are_missing_and_said_to_be(corpus: Path) -> None:
    table, decoder = _decoded((corpus / "perf-7.2/trace.default.txt").read_bytes())
    assert table.texts("dev") == [None] * 12
    note = decoder.diagnostics.notes["nameless-perf-trace"]
    assert (note.severity, note.count) == ("error", 12)
    assert "--libtraceevent_print" in note.advice


def test_the_article_of_2017() -> None:
    table, decoder = _decoded(b"     0.010 net:net_dev_queue:dev=docker0 skbaddr=0xffff96d481988700 len=98)\n")
    assert _rows(table) == [(10_000, "net_dev_queue", "docker0", 0xFFFF96D481988700, 98)]
    assert (table["pid"][0], table.texts("comm"), decoder.info.format) == (-1, [None], "perf trace")


@pytest.mark.parametrize(
    ("line", "time_ns", "cpu", "pid", "comm"),
    [
        (b"     1.234 [001] ping/9050 net:netif_rx(dev=lo skbaddr=0x10 len=1)", 1_234_000, 1, 9050, "ping"),
        (b"     1.234 (         ): ping/9050 net:netif_rx(dev=lo skbaddr=0x10 len=1)", 1_234_000, -1, 9050, "ping"),
        (b"1088908.108 9050 net:netif_rx(dev=lo skbaddr=0x10 len=1)", 1_088_908_108_000, -1, 9050, None),
        (b"     0.001 :0/0 net:netif_rx(dev=lo skbaddr=0x10 len=1)", 1_000, -1, 0, ":0"),
        (b"  1079.915753: net:netif_rx: dev=lo skbaddr=0x10 len=1", 1_079_915_753_000, -1, -1, None),
        (b" 6974 [001]  1079.915753: net:netif_rx: dev=lo skbaddr=0x10 len=1", 1_079_915_753_000, 1, 6974, None),
        (b"   a b 6974  1079.915753: net:netif_rx: dev=lo skbaddr=0x10 len=1", 1_079_915_753_000, -1, 6974, "a b"),
        (b"   a b 6974 [001] K   1.915753:   1 net:netif_rx: dev=lo skbaddr=0x10 len=1", 1_915_753_000, 1, 6974, "a b"),
        (b"ping  71 [001]  1.915753: net:netif_rx: dev=lo skbaddr=0x10 len=1 fff8 f+0x1", 1_915_753_000, 1, 71, "ping"),
        (b"  a b-71 (  70) [001] d.h1. 1.915753: netif_rx: dev=lo skbaddr=00000010 len=1", 1_915_753_000, 1, 70, "a b"),
        (b"a b-71      1d.h1. 1915753us+: netif_rx: dev=lo skbaddr=00000010 len=1", 1_915_753_000, 1, 71, "a b"),
        (b"inst:     a b-71  [001]  1.915753: netif_rx:      dev=lo skbaddr=0x10 len=1", 1_915_753_000, 1, 71, "a b"),
        (b"          a b-71  [001]1915753187: netif_rx:      dev=lo skbaddr=0x10 len=1", 1_915_753_187, 1, 71, "a b"),
        (b"          a b-71  [001]  1.915753: (+5)  netif_rx: dev=lo skbaddr=0x10 len=1", 1_915_753_000, 1, 71, "a b"),
        (b"          a b-71  [001]  1.915753: netif_rx:      skbaddr=0x10 len=1 name=lo", 1_915_753_000, 1, 71, "a b"),
    ],
)  # fmt: skip
def test_variants_of_one_line(line: bytes, time_ns: int, cpu: int, pid: int, comm: str | None) -> None:
    table, decoder = _decoded(line + b"\n")
    assert decoder.diagnostics.sound
    assert _rows(table) == [(time_ns, "netif_rx", "lo", 0x10, 1)]
    assert (table["cpu"][0], table["pid"][0], table.texts("comm")[0]) == (cpu, pid, comm)


@pytest.mark.parametrize(
    ("letters", "flags"),
    [("....", 0), ("d..2", 0x01), ("b.s2", 0x90), ("bnh1", 0x8C), ("D.H1", 0x99), (".NZ.", 0x6C), ("??s.", -1)],
)
def test_flags_of_ftrace(letters: str, flags: int) -> None:
    table, _ = _decoded(
        b"   x-1  [000] %b  1.000000: netif_rx: dev=lo skbaddr=00000000875609b1 len=1\n" % letters.encode()
    )
    assert table["flags"].tolist() == [flags]


def test_skb_events_of_ftrace_get_their_category() -> None:
    line = (
        b"  x-1 [000] ..s1.  1.000000: kfree_skb: skbaddr=0000000061253874 protocol=2048 location=f reason: NO_SOCKET\n"
    )
    table, _ = _decoded(line)
    assert table.texts("event") == ["skb:kfree_skb"]
    assert (table["skbaddr"][0], table["protocol"][0]) == (0x61253874, 2048)


@pytest.mark.parametrize(
    ("printed", "location", "reason"),
    [
        ("location=nft_do_chain+0x3e8 reason: NETFILTER_DROP", "nft_do_chain+0x3e8", "NETFILTER_DROP"),
        ("location=nft_do_chain+0x40f [nf_tables] reason: NO_SOCKET", "nft_do_chain+0x40f [nf_tables]", "NO_SOCKET"),
        ("location=0xffffffff81f63638 reason: TCP_CSUM", "0xffffffff81f63638", "TCP_CSUM"),
        ("location=0xffffffff81f63638", "0xffffffff81f63638", None),  # before Linux 5.17
        ("location=00000000b6f2a1c9 reason: NOT_SPECIFIED", "0x00000000b6f2a1c9", "NOT_SPECIFIED"),  # ftrace, hashed
        ("location=(nil) reason: NOT_SPECIFIED", None, "NOT_SPECIFIED"),
    ],
)
def test_where_and_why_a_packet_was_dropped(printed: str, location: str | None, reason: str | None) -> None:
    line = f"  x 1 [000]  1.000000: skb:kfree_skb: skbaddr=0xffff888100000001 rx_sk=(nil) protocol=2048 {printed}\n"
    table, decoder = _decoded(line.encode() * 40)  # many are read in bulk
    assert len(table) == 40
    told = [set(table.texts(name)) if name in table else {None} for name in ("location", "reason")]
    assert told == [{location}, {reason}]
    assert ("untold-drops" in decoder.diagnostics.notes) == (location is None)


@pytest.mark.parametrize(
    "line",
    [
        b"     0.000 z/1 skb:kfree_skb(skbaddr: 0xffff8881, location: 0xffffffff81f6, protocol: 2048, reason: 7)",
        b"  x-1 [000]  1.000000: kfree_skb: skbaddr=0xffff8881 location=0xffffffff81f6 protocol=2048 reason=0x7",
    ],
)
def test_a_reason_without_its_name_is_no_reason(line: bytes) -> None:
    """perf trace's own style and trace-cmd -R have numbers, which mean something else on each kernel."""
    table, decoder = _decoded(line + b"\n")
    assert table.texts("event") == ["skb:kfree_skb"]
    assert "reason" not in table
    assert decoder.diagnostics.notes["untold-drops"].count == 1


def test_null_pointers() -> None:
    table, _ = _decoded(b"  x 1 [000]  1.000000: skb:kfree_skb: skbaddr=(nil) rx_sk=(nil) protocol=2048 location=f\n")
    assert table["skbaddr"].tolist() == [0]


@given(cuts=st.lists(st.integers(0, len(PING)), max_size=8), idle=st.booleans())
def test_pieces_of_any_size_give_the_same(cuts: list[int], idle: bool) -> None:
    whole, _ = _decoded(PING)
    decoder = TextDecoder()
    rows = []
    for begin, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(PING)], strict=True):
        decoder.feed(PING[begin:end])
        rows += _rows(decoder.take(idle=idle))
    assert rows + _rows(decoder.close()) == _rows(whole)
    assert decoder.diagnostics.sound


def test_take_holds_back_what_may_still_be_overtaken() -> None:
    decoder = TextDecoder(hold_ns=1_500_000_000)
    decoder.feed(_script(1) + _script(3) + _script(2))
    assert decoder.take()["time_ns"].tolist() == [1_000_000_000]
    assert decoder.take(idle=True)["time_ns"].tolist() == [2_000_000_000, 3_000_000_000]
    decoder.feed(_script(2))
    assert decoder.close()["time_ns"].tolist() == [2_000_000_000]
    assert decoder.diagnostics.notes["late-event"].count == 1


def test_events_of_one_time_keep_the_order_of_the_text() -> None:
    table, _ = _decoded(_script(5, skb=1) + _script(4, skb=2) + _script(5, skb=3) + _script(4, skb=4))
    assert [skb & 0xFF for skb in table["skbaddr"].tolist()] == [2, 4, 1, 3]


def _losses(text: bytes) -> list[tuple[int, int, int | None, int | None]]:
    _, decoder = _decoded(text)
    assert not decoder.diagnostics.notes
    return [(loss.count, loss.cpu, loss.start_ns, loss.end_ns) for loss in decoder.diagnostics.losses]


S = 1_000_000_000


def test_losses_of_perf_script_lie_after_the_last_event_of_that_cpu() -> None:
    lost = b"           flood 10579 [001]  4.500000: PERF_RECORD_LOST lost 174\n"
    text = _script(1, 0) + _script(2, 1) + _script(3, 0) + lost + _script(5, 1)
    assert _losses(text) == [(174, 1, 2 * S, 4 * S + S // 2)]


def test_losses_of_ftrace_and_trace_cmd_lie_between_two_events_of_that_cpu() -> None:
    line = b"  x-1 [%03d]  %d.000000: netif_rx: dev=lo skbaddr=00000000875609b1 len=1\n"
    for words, count in (
        (b"LOST 3842 EVENTS", 3842),
        (b"LOST EVENTS", 0),
        (b"7 EVENTS DROPPED", 7),
        (b"EVENTS DROPPED", 0),
    ):
        text = line % (0, 1) + line % (1, 2) + line % (0, 3) + b"CPU:1 [%b]\n" % words + line % (1, 4)
        assert _losses(text) == [(count, 1, 2 * S, 4 * S)]


def test_losses_of_perf_trace_lie_before_the_next_event() -> None:
    lost = b"LOST 515 events!\n"
    assert _losses(PING + lost + PING.replace(b" 0.0", b" 9.0")) == [(515, -1, 0, 9_000_000)]
    assert _losses(lost + PING) == [(515, -1, None, 0)]
    assert _losses(PING + lost) == [(515, -1, 0, None)]


def test_a_loss_at_the_end_of_a_piece_is_bounded_by_the_next_piece() -> None:
    decoder = TextDecoder()
    for piece in (PING, b"LOST 3 events!\n", PING.replace(b" 0.0", b" 7.0")):
        decoder.feed(piece)
        decoder.take()
    assert [(loss.count, loss.end_ns) for loss in decoder.diagnostics.losses] == [(3, 7_000_000)]


def test_unknown_lines_are_counted_and_the_first_shown() -> None:
    table, decoder = _decoded(b"64 bytes from 127.0.0.1\n" * 5 + PING + b"bye\n")
    assert len(table) == 3
    note = decoder.diagnostics.notes["unknown-line"]
    assert (note.count, note.severity, note.examples[0]) == (6, "error", "line 1: 64 bytes from 127.0.0.1")
    assert not decoder.diagnostics.sound


@pytest.mark.parametrize(
    "chatter",
    [
        b"\n",
        b"# hostname : somewhere\n",
        b"# tracer: nop\n#\n#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION\n",
        b"\tffffffff81e65af6 __dev_queue_xmit+0x486 ([kernel.kallsyms])\n",
        b"                                       __dev_queue_xmit ([kernel.kallsyms])\n",
        b"     6.588 (         ): ping/8095 sendto(fd: 4, buff: 0x560d83df5b40, len: 64) ...\n",
        b"     0.000 ( 0.221 ms): ping/8098  ... [continued]: sendto())     = 64\n",
        b"cpus=2\nCPU 0 is empty\n",
        b" => ip_output\n => ip_local_out\n",
        b"\n Summary of events:\n\n ping (8095), 376 events, 94.2%\n\n   syscall  calls\n",
    ],
)
def test_lines_that_hold_no_event_are_understood(chatter: bytes) -> None:
    table, decoder = _decoded(PING + chatter)
    assert len(table) == 3
    assert not decoder.diagnostics.notes


def test_the_header_of_perf_script_tells_of_the_recording() -> None:
    header = (
        b"# ========\n# hostname : h\n# os release : 6.18\n# perf version : 6.1.192\n# arch : x86_64\n"
        b"# cmdline : /usr/bin/perf record -e net:* \n"
    )
    _, decoder = _decoded(header + _script(1))
    info = decoder.info
    assert (info.hostname, info.kernel, info.perf_version, info.arch) == ("h", "6.18", "6.1.192", "x86_64")
    assert info.command == ("/usr/bin/perf", "record", "-e", "net:*")
    assert (info.first_ns, info.last_ns, info.events) == (S, S, ("netif_rx",))


def test_mixed_formats_are_read_line_by_line() -> None:
    table, decoder = _decoded(PING + _script(1))
    assert len(table) == 4
    assert decoder.info.format == "mixed text"


@pytest.mark.parametrize(("around", "kind"), [(b"# tracer: nop\n", "ftrace"), (b"cpus=2\n", "trace-cmd")])
def test_headers_tell_ftrace_from_trace_cmd(around: bytes, kind: str) -> None:
    line = b"  x-1 [000] %b 1.000000: netif_rx: dev=lo skbaddr=00000000875609b1 len=1\n"
    for flags in (b"", b"....."):
        assert _decoded(around + line % flags)[1].info.format == kind


def test_text_of_another_kind_is_refused() -> None:
    with pytest.raises(InputError, match=r"some.txt.*no line of this text.*perf script.*line 1: Dear all"):
        _decoded(b"Dear all,\n\nhello\n")


def test_nothing_at_all_is_an_empty_table() -> None:
    table, decoder = _decoded(b"")
    assert len(table) == 0
    assert "time_ns" in table
    assert decoder.diagnostics.sound


def test_events_without_a_time_are_explained() -> None:
    _, decoder = _decoded(b"        net:netif_rx: dev=lo skbaddr=0xffff888100c30d00 len=1\n")
    assert "perf script -F" in decoder.diagnostics.notes["no-time"].advice


@pytest.mark.parametrize("cut", range(2, 72, 7))
def test_a_last_line_that_was_cut_is_counted(cut: int) -> None:
    table, decoder = _decoded(PING[:-cut])
    assert len(table) == 2
    assert decoder.diagnostics.notes["cut-line"].count == 1
    assert len(_decoded(PING[:-1])[0]) == 3


def test_a_last_line_without_end_may_be_short_of_a_digit() -> None:
    table, decoder = _decoded(_script(1) + _script(2)[:-1])
    assert len(table) == 2
    assert decoder.diagnostics.notes["no-line-end"].severity == "warning"


@pytest.mark.parametrize(
    "values",
    [
        b"skbaddr=0x1ffffffffffffffff len=1",
        b"skbaddr=0x1 len=4294967296",
        b"skbaddr=0x1 len=-1",
        b"skbaddr=0x1 len=1_0",
        b"skbaddr=0x1",
    ],
)
def test_numbers_that_cannot_be_are_not_understood(values: bytes) -> None:
    table, decoder = _decoded(_script(1) + b"  x 1 [000]  1.000000: net:netif_rx: dev=lo " + values + b"\n")
    assert len(table) == 1
    assert decoder.diagnostics.notes["unknown-line"].count == 1


@pytest.mark.parametrize(
    "head",
    [
        b"  x 1 [000]  9999999999999.000000: ",
        b"  x 99999999999 [000]  1.000000: ",
        b"  x 1 [99999]  1.000000: ",
        b"99999999999999999999.000 x/1 ",
    ],
)
def test_heads_that_cannot_be_are_not_understood(head: bytes) -> None:
    _, decoder = _decoded(_script(1) + head + b"net:netif_rx: dev=lo skbaddr=0x1 len=1\n")
    assert decoder.diagnostics.notes["unknown-line"].count == 1


def test_a_line_without_end_does_not_fill_the_memory() -> None:
    decoder = TextDecoder()
    decoder.feed(PING)
    for _ in range(40):
        decoder.feed(b"x" * (1 << 18))
    assert sum(map(len, decoder._pending)) <= decoder_module.CHUNK + (1 << 18)
    decoder.feed(b"\n" + PING)
    assert len(decoder.close()) == 6
    assert decoder.diagnostics.notes["unknown-line"].count == 1


def test_line_ends_of_windows() -> None:
    table, decoder = _decoded(PING.replace(b"\n", b"\r\n"))
    assert len(table) == 3
    assert decoder.diagnostics.sound


@given(
    text=st.one_of(
        st.binary(max_size=400), st.text("0123456789.:/[]()-=, netdvrxlskbaLOST\n", max_size=400).map(str.encode)
    )
)
def test_no_text_breaks_the_decoder(text: bytes) -> None:
    decoder = TextDecoder()
    decoder.feed(PING + text)
    assert len(decoder.close()) >= 2


@pytest.mark.parametrize("size", [1, 50, 10_000])
def test_what_perf_trace_called_a_thread_before_it_heard_of_its_execve(size: int) -> None:
    def line(comm: str, tid: int) -> bytes:
        return b"     0.000 %b/%d net:netif_rx(dev=lo skbaddr=0x10 len=84)\n" % (comm.encode(), tid)

    told = [("python", 7), (":7", 7), ("ping", 7), ("python", 8), (":8", 8), ("a-very-long-na", 7)]
    decoder = TextDecoder()
    decoder.rename(7, "python", "ping")
    text = b"".join(line(*each) for each in told)
    for at in range(0, len(text), size):
        decoder.feed(text[at : at + size])
    assert decoder.close().texts("comm") == ["ping", "ping", "ping", "python", ":8", "a-very-long-na"]
