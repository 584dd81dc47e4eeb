"""Hostile packets: tshark reads the same in the same bytes, but for named differences of definition."""

from __future__ import annotations

from typing import TYPE_CHECKING

import decoded
import differences
import hostile_bytes
import numpy as np
import pcap
import pytest

from perfpath.packets.decode import decode
from perfpath.packets.headers import packed
from perfpath.packets.schema import COMPLETE, MALFORMED, TRUNCATED

if TYPE_CHECKING:
    from pathlib import Path

COUNT = 4000


@pcap.needs("tshark")
@pytest.mark.parametrize(("seed", "width"), [(1, 400), (2, 128), (3, 60)])
def test_every_difference_has_its_reason(tmp_path: Path, seed: int, width: int) -> None:
    packets = hostile_bytes.hostile(seed, COUNT)
    theirs = pcap.tshark(pcap.write(tmp_path / "hostile.pcap", packets, width))
    found = decode(packed(packets, width=width))
    wrong, used, agreed = [], set(), 0
    for chain, other, packet in zip(decoded.chains(found), theirs, packets, strict=True):
        if fields := differences.unexplained(chain, other, packet):
            wrong.append((fields, packet.hex()))
        if decoded.differing(chain, other):
            used |= set(differences.of(chain, other, packet))
        else:
            agreed += 1
    assert not wrong
    assert agreed > 0.8 * COUNT
    assert len(used) > len(differences.DIFFERENCES) // 2, "classes that explain nothing"
    ended = np.concatenate((found.outer["ended"], found.inner["ended"]))
    assert all(np.count_nonzero(ended == how) > COUNT // 20 for how in (COMPLETE, TRUNCATED, MALFORMED))


def test_each_packet_is_read_alike_alone_and_among_others() -> None:
    packets = hostile_bytes.hostile(4, 300)
    together = list(decoded.chains(decode(packed(packets, width=128))))
    for packet, chain in zip(packets, together, strict=True):
        (alone,) = decoded.chains(decode(packed([packet], width=128)))
        numbers = ("inner", "packet", "parent")
        assert [{k: v for k, v in row.items() if k not in numbers} for row in alone] == [
            {k: v for k, v in row.items() if k not in numbers} for row in chain
        ]


def test_a_cut_packet_never_says_more_than_the_whole() -> None:
    packets = hostile_bytes.hostile(5, 120)
    whole = [decoded.fields(chain) for chain in decoded.chains(decode(packed(packets, width=512)))]
    for width in range(0, 160, 3):
        for chain, known in zip(decoded.chains(decode(packed(packets, width=max(width, 1)))), whole, strict=True):
            for name, values in decoded.fields(chain).items():
                assert values == known.get(name, [])[: len(values)], (name, width)
