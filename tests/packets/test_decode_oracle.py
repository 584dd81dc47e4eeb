"""tshark reads the same bytes, field by field."""

from __future__ import annotations

from typing import TYPE_CHECKING

import decoded
import packet_bytes
import pcap
import pytest

from perfpath.packets.decode import decode
from perfpath.packets.headers import packed

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pcap.needs("tshark")


@pytest.mark.parametrize(
    ("seed", "width", "whole"), [(1, 512, 0.95), (2, 128, 0.8), (3, 64, 0.3), (4, 200, 0.9), (5, 41, 0.02)]
)
def test_generated_packets_agree(tmp_path: Path, seed: int, width: int, whole: float) -> None:
    packets = packet_bytes.made(seed, 5000)
    theirs = pcap.tshark(pcap.write(tmp_path / "made.pcap", packets, width))
    chains = list(decoded.chains(decode(packed(packets, width=width))))
    wrong = [
        (number, fields, packets[number].hex())
        for number, (chain, other) in enumerate(zip(chains, theirs, strict=True))
        if (fields := decoded.disagreements(chain, other))
    ]
    assert not wrong
    assert sum(all(row["ended"] == 0 for row in chain) for chain in chains) > whole * len(packets)
