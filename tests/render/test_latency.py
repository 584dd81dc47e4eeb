"""Where the time goes: counted independently, and on a device that is known to be slow."""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfpath.journeys.tracker import Result
from perfpath.render.latency import spread_of
from perfpath.render.slowest import slowest

if TYPE_CHECKING:
    from collections.abc import Callable

    from perfpath.capture.lab import Lab

PERFPATH = str(Path(sys.executable).with_name("perfpath"))


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=200))
def test_percentiles_are_times_that_occurred(times: list[int]) -> None:
    spread = spread_of(np.array(times, dtype=np.int64), sum(times))
    ordered = sorted(times)
    assert (spread.packets, spread.low, spread.high) == (len(times), ordered[0], ordered[-1])
    for value, percent in ((spread.median, 50), (spread.p90, 90), (spread.p99, 99)):
        assert value == ordered[-(-len(times) * percent // 100) - 1]
    assert spread.deviation == pytest.approx(statistics.pstdev(times), rel=1e-6, abs=1)
    assert spread.share == (1 if sum(times) else -1)


def test_the_table_of_a_bridge(shown: Callable[..., str], bridge_ping: Any) -> None:
    text = shown("latency", bridge_ping)
    there, back, *_ = text.split("\n\n")
    assert there.splitlines()[0] == "3 packets  [host] docker0 > vetha373ab6 > [web] eth0"
    steps = {line.split("  ")[1]: line.split() for line in there.splitlines()[2:]}
    assert steps["docker0 > vetha373ab6"][-2:] == ["22%", "####"] or "22%" in steps["docker0 > vetha373ab6"]
    assert "78%" in steps["vetha373ab6 > eth0"]
    assert "18.0" in steps["the whole way"]
    assert "22%" in steps["in host"]
    assert "in web" not in steps
    assert back.splitlines()[0].endswith("[web] eth0 > [host] vetha373ab6 > docker0")


def test_what_companions_say_stands_with_its_device(shown: Callable[..., str], story: Any) -> None:
    story.packet("tx eth0 host 0", "rx eth0 web 9", queue_ns=4000)
    text = shown("latency", story)
    assert re.search(r"queue of eth0 +1 +4\.00 us", text)
    assert "driver" not in text


def test_packets_without_a_step_have_no_time(shown: Callable[..., str], story: Any) -> None:
    assert shown("latency", story.packet("tx eth0 host 0")).startswith("1 packet, 1 hop")


def test_the_slowest_are_kept_whatever_the_batches(new_story: Any) -> None:
    story = new_story()
    for number, span in enumerate((5, 90, 7, 60, 1)):
        story.packet(f"tx a host {number * 1000}", f"rx b web {number * 1000 + span}")
    kept = slowest(story.result(), 2)
    assert kept.journeys["journey"].tolist() == [1, 3]
    assert kept.hops["journey"].tolist() == [1, 1, 3, 3]
    nothing = slowest(Result(kept.hops.take(slice(0, 0)), kept.journeys.take(slice(0, 0))), 2)
    assert len(nothing.journeys) == 0


def test_slowest_as_an_option(shown: Callable[..., str], bridge_ping: Any) -> None:
    text = shown("jsonl", bridge_ping, slowest=2)
    assert len([line for line in text.splitlines() if line.startswith("{")]) == 2


@pytest.mark.perf
@pytest.mark.netns
def test_a_slow_queue_is_where_the_time_goes(lab: Lab) -> None:
    """80 kbit/s with one packet in the bucket: each of the next nine 542-byte frames waits 54 ms more."""
    left, right, net = lab.namespace("left"), lab.namespace("right"), lab.subnet()
    lab.veth(left, "eth0", right, "eth0")
    lab.address(left, "eth0", f"{net[1]}/24")
    lab.address(right, "eth0", f"{net[2]}/24")
    lab.run(left, "ping", "-c1", "-W2", str(net[2]))
    lab.run(left, "tc", "qdisc", "add", "dev", "eth0", "root", "tbf", "rate", "80kbit", "burst", "600", "limit", "9000")
    # the first ping waits only twice the time that its first answer took; the second lasts until all are through
    pings = f"ping -q -c10 -i0.002 -s500 -W2 {net[2]}; ping -q -c12 -i0.1 -W2 {net[2]}"
    command = lab.command(left, "sh", "-c", pings)
    argv = [PERFPATH, "-a", "--packets", "none", "--latency", "--netns", left, "-o", "-", *command]
    text = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout
    rows = [line for line in text.splitlines() if line.startswith("  eth0 > eth0")]
    slow = [row for row in rows if re.search(r"\d{3} ms", row)]
    assert slow, text
    highest = re.findall(r"([\d.]+) (us|ms)", slow[0])[4]
    assert highest[1] == "ms"
    assert 120 < float(highest[0]) < 700
