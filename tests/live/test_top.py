"""The screen that follows the packets: its numbers, its table in a pipe, its keys on a terminal."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfpath.render import hop_tree
from perfpath.render.hop_tree import Node

if TYPE_CHECKING:
    from collections.abc import Callable

    from perfpath.capture.lab import Lab

PERFPATH = str(Path(sys.executable).with_name("perfpath"))


@given(st.lists(st.lists(st.integers(0, 10**10), min_size=1, max_size=30), min_size=1, max_size=8))
def test_running_numbers_are_those_of_all_times(batches: list[list[int]]) -> None:
    node = Node()
    for batch in batches:
        node.add(np.array(batch, dtype=np.int64))
    every = np.array([time for batch in batches for time in batch], dtype=np.float64)
    assert (node.packets, node.best, node.worst) == (len(every), int(every.min()), int(every.max()))
    assert node.mean == pytest.approx(every.mean())
    assert node.deviation == pytest.approx(every.std(), rel=1e-6, abs=1)
    assert list(node.latest) == every.astype(int).tolist()[-hop_tree.LATEST :]


@pytest.mark.perf
@pytest.mark.netns
def test_losses_stand_at_the_hop_they_come_after(lab: Lab, tmp_path: Path) -> None:
    left, right, net = lab.namespace("left"), lab.namespace("right"), lab.subnet()
    lab.veth(left, "eth0", right, "eth0")
    lab.address(left, "eth0", f"{net[1]}/24")
    lab.address(right, "eth0", f"{net[2]}/24")
    lab.run(left, "ping", "-c1", "-W2", str(net[2]))
    chain = "type filter hook input priority 0; icmp type echo-request numgen inc mod 2 0 drop;"
    lab.run(right, "nft", "-f", "-", stdin=f"table inet t {{ chain c {{ {chain} }}; }}\n")
    out = tmp_path / "out"
    command = lab.command(left, "ping", "-q", "-c6", "-i0.05", "-W0.3", str(net[2]))
    subprocess.run([PERFPATH, "top", "--packets", "none", "-o", str(out), *command], capture_output=True, check=False)
    rows = [re.split(r"\s{2,}", line.rstrip()) for line in out.read_text().splitlines()]
    there = [row for row in rows if right in row and "3 (50%)" in row]
    assert len(there) == 1, rows
    assert there[0][there[0].index(right) + 1] == "6"


def read_until(screen: int, condition: Callable[[str], bool], shown: str = "") -> str:
    deadline = time.monotonic() + 20
    while not condition(shown):
        assert time.monotonic() < deadline, shown
        if select.select([screen], [], [], 0.1)[0]:
            try:
                shown += os.read(screen, 65536).decode("utf-8", "replace")
            except OSError:  # the other side was closed
                break
    return shown


@pytest.mark.perf
def test_the_screen_follows_and_q_ends_it() -> None:
    pid, screen = pty.fork()
    if pid == 0:
        os.environ["COLUMNS"] = "140"
        argv = [PERFPATH, "top", "--packets", "none", "--gap", "100ms", "ping", "-q", "-i0.1", "127.0.0.1"]
        os.execv(PERFPATH, argv)  # noqa: S606 - a process on a terminal of its own
    try:
        shown = read_until(screen, lambda text: "lost after" in text)
        os.write(screen, b"s")
        os.write(screen, b"q")
        shown = read_until(screen, lambda text: "packets transmitted" in text and "distinct path" in text, shown)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(screen)
    assert re.search(r"lo >.*host", shown)


@pytest.mark.perf
@pytest.mark.parametrize("columns", [80, 120])
def test_the_command_does_not_write_into_the_screen(columns: int) -> None:
    """Its last lines stand below the table, and all it wrote comes once, after the table that stays."""
    say = "import time\nfor n in range(40): print('line', n, flush=True); time.sleep(0.05)"
    send = "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.sendto(b'x', ('127.0.0.1', 9))"
    pid, screen = pty.fork()
    if pid == 0:
        os.environ["COLUMNS"], os.environ["LINES"] = str(columns), "24"
        argv = [PERFPATH, "top", "--packets", "none", "--gap", "100ms", sys.executable, "-c", f"{send}\n{say}\n{send}"]
        os.execv(PERFPATH, argv)  # noqa: S606 - a process on a terminal of its own
    try:
        shown = read_until(screen, lambda text: "line 39\r\n" in text and "distinct path" in text)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(screen)
    last = shown.rindex("distinct path")
    after = shown[last:]
    assert [int(number) for number in re.findall(r"line (\d+)\r\n", after)] == list(range(40))
    assert "lost after" in shown[:last]
    assert "q end" in shown[:last]
