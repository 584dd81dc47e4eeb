"""Recordings of machines that nobody here has: written at random, read back, cut anywhere."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from perfdata_writer import (
    CALLCHAIN,
    CPU,
    ID,
    IDENTIFIER,
    IP,
    PERIOD,
    RAW,
    READ,
    READ_GROUP,
    STREAM_ID,
    TID,
    TIME,
    Comm,
    Fork,
    Hit,
    Item,
    Lost,
    Machine,
    Netns,
    Round,
    Throttle,
)

from perfpath.readers.perfdata import PipeDecoder, open_perfdata, open_pipe
from perfpath.tables import Table, concatenated

if TYPE_CHECKING:
    from collections.abc import Iterator

HOSTNAME = 3
ALWAYS = TID | TIME | CPU | RAW
OPTIONAL = [IP, PERIOD, STREAM_ID, READ, CALLCHAIN]
KERNEL_MARK = 2**64 - 128
names = st.binary(min_size=1, max_size=15).filter(lambda raw: 0 not in raw)
threads = st.integers(1, 5)
times = st.integers(1, 200)


def sized(text: bytes, machine_order: str) -> bytes:
    return struct.pack(machine_order + "I", 64) + text.ljust(64, b"\0")


@st.composite
def machines(draw: st.DrawFn) -> Machine:
    order = draw(st.sampled_from("<>"))
    extra = draw(st.lists(st.sampled_from(OPTIONAL), unique=True))
    identity = draw(st.sampled_from([ID, IDENTIFIER, ID | IDENTIFIER]))
    return Machine(
        order=order,
        long=draw(st.sampled_from([4, 8])),
        sample_type=ALWAYS | identity | sum(extra),
        read_format=draw(st.sampled_from([0, READ_GROUP])),
        shifted=draw(st.booleans()),
        string=draw(st.sampled_from(["dynamic", "relative", "inline"])),
        attr_size=draw(st.sampled_from([64, 72, 96, 128, 136, 144, 200])),
        features={HOSTNAME: sized(b"far away", order)},
    )


hits = st.builds(
    Hit,
    time=times,
    cpu=st.integers(0, 63),
    pid=threads,
    tid=threads,
    event=st.sampled_from(["net_dev_queue", "netif_rx"]),
    skb=st.integers(0, 2**64 - 1),
    length=st.integers(0, 2**32 - 1),
    dev=names,
    flags=st.integers(0, 255),
    chain=st.lists(st.integers(1, 2**63), max_size=4).map(lambda ips: (KERNEL_MARK, *ips)),
)
others = st.one_of(
    st.builds(Comm, time=times, tid=threads, name=names),
    st.builds(Fork, time=times, tid=threads, parent=threads),
    st.builds(Netns, time=times, tid=threads, inum=st.integers(1, 2**31)),
    st.builds(Lost, time=times, cpu=st.integers(0, 63), count=st.integers(1, 1000)),
)
recordings = st.lists(st.one_of(hits, hits, others), max_size=40)


def fsdecoded(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def in_time(items: list[Item]) -> list[Hit]:
    return sorted((item for item in items if isinstance(item, Hit)), key=lambda hit: hit.time)


def tasks_in_time(items: list[Item]) -> Iterator[tuple[Hit, str | None, int]]:
    """Each hit in time order with its thread's name and namespace then: a thread record comes before a hit.

    Each thread is a process here. Its namespace is told where it, with its ancestors, has been in one only, and it is
    not the kernel's, a child of `kthreadd`.
    """
    comms: dict[int, str] = {}
    spaces: dict[int, list[int]] = {}  # all that it has been in, the last last
    kernel: set[int] = set()
    for item in sorted(items, key=lambda one: (getattr(one, "time", 0), isinstance(one, Hit))):
        if isinstance(item, Comm):
            comms[item.tid] = fsdecoded(item.name)
        elif isinstance(item, Netns):
            if item.tid not in kernel:
                spaces[item.tid] = [*spaces.get(item.tid, []), item.inum]
        elif isinstance(item, Fork):
            is_kernel = item.parent == 2 and comms.get(2, "kthreadd") == "kthreadd"
            (kernel.add if is_kernel else kernel.discard)(item.tid)
            spaces[item.tid] = [] if is_kernel else list(spaces.get(item.parent, []))
            if item.parent in comms:
                comms[item.tid] = comms[item.parent]
        elif isinstance(item, Hit):
            been = spaces.get(item.tid, [])
            yield item, comms.get(item.tid), been[-1] if len(set(been)) == 1 else 0


def check(table: Table, machine: Machine, items: list[Item], stacks: list[tuple[int, ...]]) -> None:
    expected = in_time(items)
    assert len(table) == len(expected)
    mask = 2 ** (8 * machine.long) - 1
    assert table["time_ns"].tolist() == [hit.time for hit in expected]
    assert table["cpu"].tolist() == [hit.cpu for hit in expected]
    assert table["pid"].tolist() == [hit.pid for hit in expected]
    assert table["tid"].tolist() == [hit.tid for hit in expected]
    assert table.texts("event") == [hit.event for hit in expected]
    assert table.texts("dev") == [fsdecoded(hit.dev) for hit in expected]
    assert table["skbaddr"].tolist() == [hit.skb & mask for hit in expected]
    assert table["len"].tolist() == [hit.length for hit in expected]
    assert table["flags"].tolist() == [hit.flags for hit in expected]
    if machine.sample_type & CALLCHAIN:
        shown = [stacks[number] if number >= 0 else () for number in table["stack"].tolist()]
        assert shown == [hit.chain[1:] for hit in expected]
    assert [(hit, comm, space) for hit, comm, space in tasks_in_time(items)] == [
        (hit, comm, space)
        for hit, comm, space in zip(expected, table.texts("comm"), table["task_netns"].tolist(), strict=True)
    ]


def read_in_steps(data: bytes, step: int) -> tuple[Table, PipeDecoder]:
    decoder, tables = PipeDecoder(), []
    for start in range(0, len(data), step):
        decoder.feed(data[start : start + step])
        tables.append(decoder.take())
    tables.append(decoder.close())
    return concatenated(tables), decoder


@settings(max_examples=150, deadline=None)
@given(machines(), recordings)
def test_a_file_is_read_back(machine: Machine, items: list[Item]) -> None:
    source = open_perfdata(io.BytesIO(machine.file(items)))
    (table,) = source.batches()
    check(table, machine, items, source.stacks)
    assert source.info.hostname == "far away"
    assert source.diagnostics.lost == sum(item.count for item in {item for item in items if isinstance(item, Lost)})
    assert not source.diagnostics.notes


@settings(max_examples=150, deadline=None)
@given(machines(), recordings, st.integers(7, 5000))
def test_a_pipe_is_read_back_however_it_is_cut_in_pieces(machine: Machine, items: list[Item], step: int) -> None:
    table, decoder = read_in_steps(machine.pipe(items), step)
    check(table, machine, items, decoder.stacks)
    assert decoder.info.hostname == "far away"
    assert not decoder.diagnostics.notes


@settings(max_examples=100, deadline=None)
@given(machines(), recordings, st.data())
def test_a_cut_stream_gives_what_is_whole_before_the_cut(
    machine: Machine, items: list[Item], data: st.DataObject
) -> None:
    head = len(machine.pipe_head())
    ends = np.cumsum([head, *(len(machine.item(item)) for item in items)]).tolist()
    cut = data.draw(st.integers(head, ends[-1]))
    source = open_pipe(io.BytesIO(machine.pipe(items)[:cut]))
    whole = sum(end <= cut for end in ends) - 1
    check(concatenated(list(source.batches())), machine, items[:whole], source.stacks)
    assert ("truncated" in source.diagnostics.notes) == (cut not in ends)


@settings(max_examples=100, deadline=None)
@given(machines(), st.lists(st.lists(hits, max_size=8), max_size=6), st.integers(7, 3000))
def test_rounds_release_events_in_order(machine: Machine, batches: list[list[Hit]], step: int) -> None:
    """As perf promises: what a round found newest was written before anything a later round has from before it."""
    items: list[Item] = []
    for n, batch in enumerate(batches):
        items += [Hit(**{**vars(hit), "time": 100 * n + hit.time, "length": n}) for hit in batch]
        items.append(Round())
    table, decoder = read_in_steps(machine.pipe(items), step)
    check(table, machine, items, decoder.stacks)
    assert "late-event" not in decoder.diagnostics.notes


def test_an_event_that_came_too_late_is_given_and_counted() -> None:
    machine = Machine()
    decoder = PipeDecoder()
    one = Hit(100, 0, 1, 1, "netif_rx", 1, 1, b"lo")
    decoder.feed(machine.pipe([one]))
    assert len(decoder.take()) == 0
    assert decoder.take(idle=True)["time_ns"].tolist() == [100]
    decoder.feed(machine.item(Hit(99, 0, 1, 1, "netif_rx", 2, 1, b"lo")))
    assert decoder.take(idle=True)["time_ns"].tolist() == [99]
    assert decoder.diagnostics.notes["late-event"].count == 1


def test_a_round_lets_go_of_the_round_before() -> None:
    machine = Machine()
    decoder = PipeDecoder()
    decoder.feed(machine.pipe([Hit(100, 0, 1, 1, "netif_rx", 1, 1, b"lo"), Round()]))
    assert len(decoder.take()) == 0
    decoder.feed(machine.item(Hit(200, 0, 1, 1, "netif_rx", 1, 1, b"lo")) + machine.item(Round()))
    assert decoder.take()["time_ns"].tolist() == [100]
    assert decoder.close()["time_ns"].tolist() == [200]


def test_losses_have_a_place() -> None:
    machine = Machine()

    def hit(time: int, cpu: int) -> Hit:
        return Hit(time, cpu, 1, 1, "netif_rx", 1, 1, b"lo")

    source = open_perfdata(
        io.BytesIO(machine.file([hit(10, 0), hit(20, 1), hit(30, 0), Lost(50, 1, 7), Lost(60, 2, 5)]))
    )
    list(source.batches())
    assert [(x.count, x.cpu, x.start_ns, x.end_ns) for x in source.diagnostics.losses] == [
        (7, 1, 20, 50),
        (5, 2, None, 60),
    ]


def test_a_throttled_event_is_a_hole_until_it_goes_on() -> None:
    machine = Machine()
    items: list[Item] = [
        Throttle(10, 0, "netif_rx", begins=True),
        Throttle(11, 1, "netif_rx", begins=True),
        Throttle(12, 0, "net_dev_queue", begins=True),
        Throttle(20, 0, "netif_rx", begins=False),
        Throttle(25, 1, "net_dev_queue", begins=False),
        Throttle(30, 0, "net_dev_queue", begins=False),
        Throttle(40, 0, "netif_rx", begins=True),
        Throttle(41, 0, "netif_rx", begins=False),
        Hit(50, 0, 1, 1, "netif_rx", 1, 1, b"lo"),
    ]
    for data in (machine.file(items), machine.pipe(items)):
        source = open_perfdata(io.BytesIO(data))
        assert sum(map(len, source.batches())) == 1
        assert [(x.count, x.cpu, x.start_ns, x.end_ns) for x in source.diagnostics.losses] == [
            (0, 0, 10, 20),
            (0, 1, 11, None),
            (0, 0, 12, 30),
            (0, 0, 40, 41),
        ]
        assert source.diagnostics.notes["throttled"].count == 4
        assert not source.diagnostics.sound
