"""The order of packets in an exported file, where a recording comes in pieces."""

from __future__ import annotations

import io
import random
from typing import TYPE_CHECKING

import numpy as np
import pytest
from walks import random_world, table_of, traffic

from perfpath import firstbytes
from perfpath.diagnostics import Diagnostics
from perfpath.firstbytes import ETHERNET, FirstBytes
from perfpath.journeys.tracker import Options, Tracker
from perfpath.packets.read import read
from perfpath.readers.recording import Info
from perfpath.render.packet_file import PacketFile
from perfpath.render.places import Namer
from perfpath.render.progress import whole
from perfpath.render.summary import Tally

if TYPE_CHECKING:
    from perfpath.tables import Table


def events_of(rng: random.Random) -> tuple[Table, FirstBytes]:
    world = random_world(rng)
    traffic(world, rng, 150)
    hops = world.ordered()
    for packet in {hop.packet for hop in hops}:  # some wait long on their way, while others pass
        late = rng.choice((0, 0, 4_000_000))
        mine = [hop for hop in hops if hop.packet == packet]
        for hop in mine[len(mine) // 2 :]:
            hop.time += late
    hops.sort(key=lambda hop: hop.time)
    packets = FirstBytes()
    raw = np.zeros((len(hops), 60), np.uint8)
    raw[:, 12:14] = 0x88, 0xB5  # a protocol that nobody decodes: the address alone tells who is who
    count = np.full(len(hops), 60)
    fixed = {"ethertype": np.full(len(hops), 0x88B5), "network": np.full(len(hops), 14), "length": count}
    packets.add(firstbytes.packed(raw, count, layer=np.full(len(hops), ETHERNET), **fixed))
    return table_of(hops).extended(packet=np.arange(len(hops))), packets


@pytest.mark.parametrize("seed", range(4))
def test_packets_are_in_order_of_time_though_the_recording_comes_in_pieces(seed: int) -> None:
    rng = random.Random(seed)
    events, packets = events_of(rng)
    file = io.BytesIO()
    written = PacketFile(file, packets, Info("perf.data", "-"), Namer(None))
    tracker = Tracker(None, Diagnostics(), Options(gap_ns=5_000_000, reply_ns=1_000_000, packets=packets))
    early, start = [], 0
    while start < len(events):
        end = start + rng.randrange(1, 200)
        written.show(tracker.feed(events.take(slice(start, end))))
        early.append(file.tell())
        start = end
    written.show(whole(tracker.close()))
    written.end(Tally(), Diagnostics())
    assert early[-1] > 0  # it didn't simply wait for the end
    file.seek(0)
    times = read(file, "-", Diagnostics()).time_ns.tolist()
    assert len(times) == len(events)
    assert times == sorted(events["time_ns"].tolist())
