"""Filters by contents and in the kernel, live and later."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from perfpath.capture.lab import Lab

PERFPATH = str(Path(sys.executable).with_name("perfpath"))
ROOT = Path(__file__).resolve().parents[2]


def perfpath(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([PERFPATH, *args], capture_output=True, text=True, check=False, timeout=60)


def packets(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def shown(*args: str) -> tuple[list[dict[str, Any]], str]:
    done = perfpath(*args)
    assert done.returncode == 0, done.stderr
    return packets(done.stdout), done.stderr


def two(lab: Lab) -> tuple[str, str, str]:
    """Two namespaces wired to each other: their names, the address of the second."""
    left, right, net = lab.namespace("left"), lab.namespace("right"), lab.subnet()
    lab.veth(left, "eth0", right, "eth0")
    lab.address(left, "eth0", f"{net[1]}/24")
    for last in (2, 3):
        lab.address(right, "eth0", f"{net[last]}/24")
    lab.run(left, "ping", "-c1", "-W2", str(net[2]))
    lab.run(left, "ping", "-c1", "-W2", str(net[3]))
    return left, str(net[2]), str(net[3])


@pytest.mark.perf
@pytest.mark.netns
def test_by_host_live_and_later(lab: Lab, tmp_path: Path) -> None:
    left, one, other = two(lab)
    folder = tmp_path / "capture"
    script = f"ping -q -c3 -i0.01 {one} >&2; ping -q -c4 -i0.01 {other} >&2"
    command = lab.command(left, "sh", "-c", script)
    for filters, expected in ((("--host", other), 8), (("--match", f"icmp and dst host {one}"), 3)):
        saved = ("--save", str(folder)) if not folder.exists() else ()
        found, summary = shown("--format", "jsonl", "-o", "-", *filters, *saved, *command)
        assert len(found) == expected
        assert f"{expected} of 14 packets" in summary
        found, summary = shown("report", "--format", "jsonl", *filters, str(folder))
        assert len(found) == expected
        assert f"{expected} of 14 packets" in summary


@pytest.mark.perf
@pytest.mark.netns
def test_before_and_after_nat(lab: Lab, tmp_path: Path) -> None:
    """Whole journeys, by an address that only some of their hops have."""
    left, router, right = (lab.namespace(label) for label in ("left", "router", "right"))
    one, two_ = lab.subnet(), lab.subnet()
    lab.veth(left, "eth0", router, "eth0")
    lab.veth(router, "eth1", right, "eth0")
    for netns, dev, address in ((left, "eth0", one[1]), (router, "eth0", one[2]), (router, "eth1", two_[2])):
        lab.address(netns, dev, f"{address}/24")
    lab.address(right, "eth0", f"{two_[1]}/24")
    lab.forward(router)
    lab.ip("route", "add", "default", "via", str(one[2]), netns=left)
    rules = "table ip nat { chain post { type nat hook postrouting priority 100; oifname eth1 masquerade; }; }"
    lab.run(router, "nft", "-f", "-", stdin=rules)
    lab.run(left, "ping", "-c1", "-W2", str(two_[1]))
    command = lab.command(left, "ping", "-q", "-c3", "-i0.01", str(two_[1]))
    folder = tmp_path / "capture"
    assert perfpath("record", "-o", str(folder), *command).returncode == 0
    for address in (one[1], two_[2]):  # before, after
        found, _ = shown("report", "--format", "jsonl", "--proto", "icmp", "--host", str(address), str(folder))
        assert [len(each["hops"]) for each in found] == [4] * 6


@pytest.mark.perf
@pytest.mark.netns
def test_the_kernel_filters_events_and_the_summary_says_so(lab: Lab, tmp_path: Path) -> None:
    left, one, _ = two(lab)
    folder = tmp_path / "capture"
    ping = lab.command(left, "ping", "-q", "-c3", "-i0.01", "-s200", one)
    options = ("--kernel-filter", 'name == "eth0" && len > 230', "--save", str(folder), "--format", "jsonl")
    found, summary = shown(*options, "-o", "-", *ping)
    assert found
    assert {hop["event"] for each in found for hop in each["hops"]} == {"net_dev_queue"}  # others count no Ethernet
    assert "filtered by the kernel" in summary
    assert "filtered by the kernel" in perfpath("report", "--format", "summary", str(folder)).stdout


@pytest.mark.perf
@pytest.mark.parametrize("expression", ["protocol == 8", "len >", "name == lo"])
def test_what_the_kernel_does_not_take(expression: str) -> None:
    done = perfpath("--kernel-filter", expression, "echo", "ran")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--kernel-filter" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.perf
def test_a_bad_expression_is_told_before_the_command_runs() -> None:
    for option, value in (("--match", "host and"), ("--host", "nobody"), ("--flow", "1.2.3.4")):
        done = perfpath(option, value, "echo", "ran")
        assert (done.returncode, done.stdout) == (2, "")
        assert option in done.stderr


@pytest.mark.perf
def test_contents_need_bytes() -> None:
    for without in (("--packets", "none"), ("--backend", "trace")):
        done = perfpath(*without, "--host", "127.0.0.1", "echo", "ran")
        assert (done.returncode, done.stdout) == (2, "")
        assert "bytes" in done.stderr


def test_a_recording_without_bytes_is_no_empty_result() -> None:
    found = next((ROOT.parent / "shared" / "corpus").glob("perf-6.1/four.data"), None)
    if found is None:
        pytest.skip("no corpus beside this checkout")
    done = perfpath("report", "--host", "172.17.0.2", str(found))
    assert done.returncode == 2
    assert "bytes" in done.stderr


def test_the_sample_by_contents() -> None:
    sample = str(ROOT / "samples" / "demo")
    whole, _ = shown("report", "--format", "jsonl", sample)
    ends = (whole[0]["packet"]["src"], whole[0]["packet"]["dst"])
    for filters, expected in (
        (("--host", ends[0]), 4),
        (("--host", "203.0.113.1"), 0),
        (("--flow", "-".join(ends)), 4),
        (("--match", f"src host {ends[0]}"), 2),
        (("--match", "icmp", "--dev", "no-such-device"), 0),
        (("--icmp-id", str(whole[0]["packet"]["icmp_id"])), 4),
        (("--host", ends[0], "--host", "203.0.113.1"), 4),
        (("--host", ends[0], "--proto", "tcp"), 0),
    ):
        found, summary = shown("report", "--format", "jsonl", *filters, sample)
        assert len(found) == expected, filters
        assert re.search(rf"{expected} of 4 packets", summary)
