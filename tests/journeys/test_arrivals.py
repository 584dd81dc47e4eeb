"""Which packets reached a UDP socket, against the rule written down one event after the other."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from perfpath.journeys.arrivals import EVENT, MOST_NS, Arrivals
from perfpath.tables import Names, Table

EVENTS = ("netif_receive_skb", EVENT, "net_dev_queue", "skb:kfree_skb")
Row = tuple[str, int, int, int, int, int]  # event, cpu, ns since the row before, flags, protocol of the socket, address
ROWS = st.lists(
    st.tuples(
        st.sampled_from((*EVENTS, EVENT, "netif_receive_skb")),
        st.integers(0, 1),
        st.sampled_from([1000, 5000, MOST_NS]),
        st.sampled_from([0x10, 0x90, 0x80, 0x08]),
        st.sampled_from([17, 17, 136, 0, 6]),
        st.sampled_from([0xF100, 0xF200]),
    ),
    max_size=30,
)


def table(rows: list[Row], begin: int = 0) -> Table:
    names = Names()
    for event in EVENTS:
        names.code(event)
    ready = np.array([row[0] == EVENT for row in rows], bool)
    return Table(
        {
            "event": np.array([names.code(row[0]) for row in rows], np.int32),
            "cpu": np.array([row[1] for row in rows], np.int16),
            "time_ns": begin + np.cumsum(np.array([row[2] for row in rows], np.int64)),
            "flags": np.array([row[3] for row in rows], np.int16),
            "tid": np.full(len(rows), 7, np.int32),
            "rc": np.where(ready, np.array([row[4] for row in rows], np.int32), -1),
            "skbaddr": np.where(ready, 0, np.array([row[5] for row in rows], np.uint64)).astype(np.uint64),
        },
        {"event": names},
    )


def expected(rows: list[Row]) -> list[tuple[int, int]]:
    """(row, address): what a CPU works on is what it received last, until it shows anything else."""
    now, found = 0, []
    work: dict[int, tuple[int, int, int] | None] = {}
    for number, (event, cpu, wait, flags, protocol, address) in enumerate(rows):
        now += wait
        context = -1 if flags & 0x08 else 0 if flags & 0x10 else 1
        if event != EVENT:
            work[cpu] = (now, address, context) if event == "netif_receive_skb" else None
        elif protocol in (17, 136) and context >= 0:
            since, whose, before = work.get(cpu) or (-MOST_NS, 0, -1)
            if before == context and now - since < MOST_NS:
                found.append((number, whose))
    return found


@given(ROWS, st.integers(0, 30))
def test_a_socket_is_told_of_the_packet_its_cpu_works_on(rows: list[Row], cut: int) -> None:
    """In one batch, and in two."""
    numbers, addresses = Arrivals().told(table(rows))
    assert sorted(zip(numbers.tolist(), addresses.tolist(), strict=True)) == expected(rows)
    arrivals, first, then = Arrivals(), rows[:cut], rows[cut:]
    end = sum(row[2] for row in first)
    told = [(part, arrivals.told(table(part, begin))) for part, begin in ((first, 0), (then, end)) if part]
    skipped = {id(first): 0, id(then): len(first)}
    both = [
        (number + skipped[id(part)], address)
        for part, (found, whose) in told
        for number, address in zip(found.tolist(), whose.tolist(), strict=True)
    ]
    assert sorted(both) == expected(rows)
