"""Packet files, as tshark reads them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import perfpath

PERFPATH = str(Path(sys.executable).with_name("perfpath"))
DEMO = Path(perfpath.__file__).parent / "samples" / "demo"
FIELDS = ("frame.interface_name", "frame.comment", "ip.src", "ip.dst", "icmp.ident", "icmp.seq", "frame.len")

pytestmark = pytest.mark.perf  # where perf is required, tshark is installed too


def run(*argv: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([PERFPATH, *argv], capture_output=True, check=False, timeout=60)


def seen(file: Path) -> list[list[str]]:
    assert shutil.which("tshark"), "tshark is missing: scripts/setup test"
    words = [word for field in FIELDS for word in ("-e", field)]
    argv = ["tshark", "-n", "-r", str(file), "-T", "fields", *words]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    return [line.split("\t") for line in done.stdout.splitlines()]


def test_every_hop_is_a_packet_at_its_place(tmp_path: Path) -> None:
    file = tmp_path / "x.pcapng"
    assert run("export", "-o", str(file), str(DEMO)).returncode == 0
    assert file.stat().st_mode & 0o777 == 0o600
    lines = run("report", "--format", "jsonl", str(DEMO)).stdout.splitlines()
    expected = []
    for journey in map(json.loads, lines):
        packet = journey["packet"]
        for number, hop in enumerate(journey["hops"]):
            comment = f"journey {journey['journey']} hop {number}"
            length = hop["len"] + (0 if hop["direction"] == "tx" or hop["event"] == "net_dev_queue" else 14)
            place = f"{hop['dev']}@{hop['netns']['name']}"
            expected.append((hop["time_ns"], place, comment, packet["src"], packet["dst"], packet["icmp_seq"], length))
    found = seen(file)
    assert len(found) == len(expected) == 12
    for row, (_, place, comment, src, dst, seq, length) in zip(found, sorted(expected), strict=True):
        assert row[0] == place
        assert row[1].startswith(comment + ";")
        assert row[2:4] == [src, dst]
        assert int(row[5].split(",")[0]) == seq
        assert int(row[6]) == length


def test_first_hops_only_filters_and_a_pipe(tmp_path: Path) -> None:
    file = tmp_path / "x.pcapng"
    done = run("export", "-o", "-", "--hop", "first", "--match", "icmp", str(DEMO))
    assert done.returncode == 0
    file.write_bytes(done.stdout)
    assert [row[1].split(";")[0] for row in seen(file)] == [f"journey {number} hop 0" for number in range(4)]


def test_what_cannot_be_written(tmp_path: Path, corpus: Path) -> None:
    file = tmp_path / "x.pcapng"
    done = run("export", "-o", str(file), str(corpus / "perf-6.1" / "four.data"))
    assert done.returncode == 4
    assert b"no packets' bytes" in done.stderr
    assert not file.exists()
    copy = tmp_path / "copy"
    shutil.copytree(DEMO, copy)
    before = (copy / "packets.pcapng").read_bytes()
    assert run("export", "-o", str(copy / "packets.pcapng"), str(copy)).returncode == 6
    assert (copy / "packets.pcapng").read_bytes() == before
    assert run("export", "-o", "/dev/full", str(DEMO)).returncode == 6
    assert run("export", "-o", str(tmp_path / "no" / "x"), str(DEMO)).returncode == 6


def test_bytes_of_dynamic_events(tmp_path: Path, corpus: Path) -> None:
    file = tmp_path / "x.pcapng"
    done = run("export", "-o", str(file), str(corpus / "tprobe-6.12.data"))
    assert done.returncode == 0
    assert len(seen(file)) == 6
    assert b"own clock" in done.stderr
