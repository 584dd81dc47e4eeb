"""The times of steps, against those that perf script's own text gives."""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from perfpath.capture.lab import Lab

PERFPATH = str(Path(sys.executable).with_name("perfpath"))
LINE = re.compile(r"(?P<seconds>\d+)\.(?P<ns>\d{9}): +net:(?P<event>\w+): dev=(?P<dev>\S+) skbaddr=(?P<skb>\w+)")
UNITS = {"ns": 1, "us": 1000, "ms": 10**6, "s": 10**9}
PINGS = 40


def of_perf(recording: Path, left: str, right: str) -> list[int]:
    """ns from each net_dev_queue at one device to the next netif_rx of that skb at another."""
    with recording.open("rb") as stream:
        argv = ["perf", "script", "--ns", "-i", "-", "-F", "time,event,trace"]
        text = subprocess.run(argv, stdin=stream, capture_output=True, text=True, check=True, timeout=60).stdout
    sent: dict[str, int] = {}
    spans = []
    for match in LINE.finditer(text):
        time = int(match["seconds"]) * 10**9 + int(match["ns"])
        if match["event"] == "net_dev_queue" and match["dev"] == left:
            sent[match["skb"]] = time
        elif match["event"] == "netif_rx" and match["dev"] == right and match["skb"] in sent:
            spans.append(time - sent.pop(match["skb"]))
    return sorted(spans)


def shown(text: str, step: str) -> list[float]:
    """count and the times, in ns, of a step's row."""
    (row,) = [line for line in text.splitlines() if line.startswith(f"  {step} ")]
    numbers = re.findall(r"([\d.,]+) ?(ns|us|ms|s)\b|(\d+)(?=  )", row[len(step) + 2 :])
    return [float(value) * UNITS[unit] if unit else float(count) for value, unit, count in numbers]


@pytest.mark.perf
@pytest.mark.netns
def test_numbers_are_those_of_perf_script(lab: Lab, tmp_path: Path) -> None:
    left, right, net = lab.namespace("left"), lab.namespace("right"), lab.subnet()
    lab.veth(left, "here", right, "there")
    lab.address(left, "here", f"{net[1]}/24")
    lab.address(right, "there", f"{net[2]}/24")
    lab.run(left, "ping", "-c1", "-W2", str(net[2]))
    kept = tmp_path / "kept"
    command = lab.command(left, "ping", "-q", f"-c{PINGS}", "-i0.02", str(net[2]))
    argv = [PERFPATH, "record", "--packets", "none", "-o", str(kept), *command]
    subprocess.run(argv, check=True, capture_output=True, timeout=60)
    report = [PERFPATH, "report", "--latency", "--dev", "here", str(kept)]
    text = subprocess.run(report, check=True, capture_output=True, text=True, timeout=60).stdout
    spans = of_perf(kept / "perf.data", "here", "there")
    assert len(spans) >= PINGS
    count, low, median, p90, p99, high, deviation = shown(text, "here > there")[:7]
    assert count == len(spans)
    ranked = [spans[-(-len(spans) * percent // 100) - 1] for percent in (50, 90, 99)]
    found = [low, median, p90, p99, high, deviation]
    expected = [spans[0], *ranked, spans[-1], statistics.pstdev(spans)]
    assert found == [pytest.approx(number, rel=0.006, abs=1) for number in expected]  # three digits are shown
    assert "nanoseconds" in text
