"""What perf never told of: counted from what packet sockets saw, and never more than there was."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfpath import schema
from perfpath.diagnostics import Diagnostics
from perfpath.firstbytes import PACKET
from perfpath.packets.unheard import Unheard
from perfpath.tables import Names, Table

ICMP, UDP, ARP = (0x0800, 1), (0x0800, 17), (0x0806, 0)
EVENT_NAMES = {"dev": Names(["x", "eth0"]), "event": Names(["netif_rx", "net_dev_queue"])}
SIGHT_NAMES = {"dev": Names(["eth0", "lo"])}


def queued(*times: int, length: int = 98) -> Table:
    shape = len(times)
    return Table.filled(
        schema.EVENTS,
        shape,
        EVENT_NAMES,
        time_ns=np.array(times, np.int64),
        event=np.full(shape, 1, np.int32),
        dev=np.full(shape, 1, np.int32),
        len=np.full(shape, length, np.uint32),
    )


def sent(*times: int, kind: tuple[int, int] = ICMP, dev: int = 0, tx: bool = True, length: int = 98) -> Table:
    packet = np.zeros(len(times), PACKET)
    packet["ethertype"], packet["network"], packet["captured"] = kind[0], 14, 98
    packet["raw"][:, 14 + 9] = kind[1]
    table = Table.filled(
        schema.SIGHTINGS,
        len(times),
        SIGHT_NAMES,
        time_ns=np.array(times, np.int64),
        dev=np.full(len(times), dev, np.int32),
        tx=np.full(len(times), tx),
        len=np.full(len(times), length, np.uint32),
    )
    return table.extended(packet=packet)


def missed(*steps: tuple[Table, Table]) -> int:
    unheard = Unheard()
    for events, sightings in steps:
        unheard.see(events, sightings)
    return unheard.count


def test_what_has_its_event_is_heard_however_long_it_waited_in_a_queue() -> None:
    assert missed((queued(10, 20, 30), sent(11, 170_000)), (queued(400_000), sent(300_000))) == 0


@pytest.mark.parametrize("kind", [ICMP, ARP])
def test_what_has_none_is_not(kind: tuple[int, int]) -> None:
    assert (
        missed((queued(10), sent(11)), (queued(99), sent(40, 50, kind=kind))) == 1
    )  # the one at 99 may be one of them
    assert missed((queued(10), sent(11)), (queued(99, length=60), sent(40, 50, kind=kind))) == 2


def test_what_says_nothing_of_perf() -> None:
    nothing = sent()
    assert missed((queued(10), sent(5)), (queued(99, length=60), nothing)) == 0  # before perf watched
    assert missed((queued(10), sent(11, 12))) == 0  # after it ended
    assert missed((queued(10, 99), sent(20, 21, 22, kind=UDP))) == 0  # segments
    assert missed((queued(10, 99), sent(20, 21, 22, tx=False))) == 0
    assert missed((queued(10, 99), sent(20, 21, 22, dev=1))) == 0  # a device that had another name, perhaps


def test_it_is_an_error_but_not_what_perf_owned_up_to() -> None:
    for lost, count in ((0, 2), (1, 1), (2, 0)):
        unheard, diagnostics = Unheard(), Diagnostics()
        if lost:
            diagnostics.lose(lost)
        unheard.see(queued(10, 20), sent(11, 12, 13, 14))
        unheard.see(queued(99, length=60), sent())
        unheard.report(diagnostics)
        assert (diagnostics.notes["unheard"].count if count else 0) == count
        assert ("unheard" in diagnostics.notes) == (count > 0)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20), st.booleans()), max_size=30), st.integers(1, 7))
def test_never_more_than_perf_missed(packets: list[tuple[int, int, bool]], piece: int) -> None:
    """Packets: when each is queued, how long it waits, and whether perf tells of it."""
    events = sorted(time for time, _, heard in packets if heard)
    sights = sorted(time + wait for time, wait, _ in packets)
    unheard = Unheard()
    unheard.see(queued(0, length=60), sent())
    while events or sights:
        unheard.see(queued(*events[:piece]), sent(*sights[:piece]))
        events, sights = events[piece:], sights[piece:]
    unheard.see(queued(100, length=60), sent())
    assert unheard.count <= sum(not heard for *_, heard in packets)
    if any(heard for *_, heard in packets):
        assert unheard.count == sum(not heard for *_, heard in packets)
