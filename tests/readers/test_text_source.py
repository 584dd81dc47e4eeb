"""Text recordings from files, whole and in pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from perfpath.errors import InputError
from perfpath.readers.source import open_recording
from perfpath.tables import concatenated

if TYPE_CHECKING:
    from pathlib import Path

COUNT = 20_000


@pytest.fixture
def shuffled(tmp_path: Path) -> Path:
    """Two CPUs, written in runs one after the other, as perf trace does."""
    path = tmp_path / "trace.txt"
    lines = [
        b"%10b p%d/1 net:netif_rx(dev=lo skbaddr=0xffff8881%08x len=84)\n"
        % (b"%d.%03d" % divmod(number + cpu, 1000), cpu, number)
        for run in range(0, COUNT, 200)
        for cpu in (0, 1)
        for number in range(run, run + 200)
    ]
    path.write_bytes(b"".join(lines))
    return path


def test_pieces_are_in_order_and_say_what_the_whole_says(shuffled: Path) -> None:
    (whole,) = open_recording(str(shuffled)).batches()
    source = open_recording(str(shuffled), batch_bytes=100_000)
    pieces = list(source.batches())
    joined = concatenated(pieces)
    assert len(pieces) == 1  # 20 ms in all: nothing is sure before the end
    assert source.diagnostics.sound
    for name in ("time_ns", "skbaddr"):
        assert joined[name].tolist() == whole[name].tolist()
    assert (whole["time_ns"][1:] >= whole["time_ns"][:-1]).all()
    assert len(whole) == 2 * COUNT


def test_pieces_of_a_long_recording_are_bounded(tmp_path: Path) -> None:
    path = tmp_path / "script.txt"
    line = b"            ping   100 [000]  %d.000000: net:netif_rx: dev=lo skbaddr=0xffff888100000010 len=84\n"
    path.write_bytes(b"".join(line % second for second in range(10_000, 10_000 + COUNT)))
    source = open_recording(str(path), batch_bytes=50_000)
    pieces = list(source.batches())
    assert max(map(len, pieces)) < 2_000
    assert sum(map(len, pieces)) == COUNT
    assert not source.diagnostics.notes
    assert (source.info.first_ns, source.info.last_ns) == (10_000 * 10**9, (9_999 + COUNT) * 10**9)
    assert source.info.path == str(path)


def test_text_of_another_kind(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear all\n")
    with pytest.raises(InputError, match=r"letter.txt: no line of this text is from a recording"):
        list(open_recording(str(path)).batches())
