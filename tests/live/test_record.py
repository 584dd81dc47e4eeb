"""Recordings that end by themselves: after a time, at a size, at the end of a disk."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from perfpath.capture.tally import Tally
from perfpath.readers.perfdata import PipeDecoder
from perfpath.tables import concatenated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from perfpath.capture.lab import Lab

PERFPATH = str(Path(sys.executable).with_name("perfpath"))
FLOOD = ("ping", "-q", "-f", "-c", "200000", "127.0.0.1")


def perfpath(*args: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([PERFPATH, *args], capture_output=True, text=True, check=False, timeout=60, cwd=folder)


def journeys(capture: Path) -> int:
    """How many a capture holds; every line must be one."""
    done = perfpath("report", "--all", "--format", "jsonl", str(capture), folder=capture.parent)
    assert done.returncode == 0
    return len([json.loads(line) for line in done.stdout.splitlines()])


@pytest.mark.perf
def test_after_a_time_into_a_new_directory(tmp_path: Path) -> None:
    done = perfpath("record", "--duration", "300ms", "ping", "-i", "0.05", "127.0.0.1", folder=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (0, 1)
    (capture,) = tmp_path.iterdir()
    assert capture.name in done.stderr
    assert 2 <= journeys(capture) <= 100
    assert {path.stat().st_mode & 0o777 for path in capture.iterdir()} == {0o600}


@pytest.mark.perf
def test_at_a_size(tmp_path: Path) -> None:
    done = perfpath("record", "-o", "x", "--max-size", "100K", *FLOOD, folder=tmp_path)
    assert done.returncode == 0
    assert (tmp_path / "x" / "perf.data").stat().st_size >= 100 * 1024
    assert 100 < journeys(tmp_path / "x") < 400_000


@pytest.mark.perf
def test_a_capture_is_replaced_where_that_is_asked_for_and_nothing_else_is(tmp_path: Path) -> None:
    for force, status in (((), 0), ((), 6), (("--force",), 0)):
        assert perfpath("record", "-o", "x", *force, "true", folder=tmp_path).returncode == status
    (tmp_path / "x" / "letter").write_text("dear")
    done = perfpath("record", "-o", "x", "--force", "true", folder=tmp_path)
    assert done.returncode == 6
    assert "letter" in done.stderr
    assert (tmp_path / "x" / "letter").read_text() == "dear"
    assert (tmp_path / "x" / "perf.data").exists()


@pytest.mark.perf
@pytest.mark.parametrize(("command", "status"), [(("nosuch",), 127), (("--perf", "/nope", "true"), 5)])
def test_what_never_began_leaves_nothing_and_replaces_nothing(
    tmp_path: Path, command: tuple[str, ...], status: int
) -> None:
    for option in (("record", "-o"), ("-o", "out", "--save")):
        assert perfpath(*option, "new", *command, folder=tmp_path).returncode == status
        assert not (tmp_path / "new").exists()
    assert perfpath("record", "-o", "old", "true", folder=tmp_path).returncode == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "old").iterdir()}
    assert perfpath("record", "--force", "-o", "old", *command, folder=tmp_path).returncode == status
    assert {path.name: path.read_bytes() for path in (tmp_path / "old").iterdir()} == before


@pytest.mark.perf
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_what_is_ended_before_it_began_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    """perf hangs, so that it never begins."""
    stuck = tmp_path / "perf"
    stuck.write_text('#!/bin/sh\n[ "$1" = --version ] && echo perf version 0 && exit\necho > began; exec sleep 1000\n')
    stuck.chmod(0o755)
    argv = [PERFPATH, "record", "--perf", str(stuck), "-o", "x", "true"]
    with subprocess.Popen(argv, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as run:
        limit = time.monotonic() + 60
        while not (tmp_path / "began").exists():
            assert time.monotonic() < limit
            time.sleep(0.01)
        assert (tmp_path / "x").exists()
        run.send_signal(number)
        assert run.communicate(timeout=60)[1] == ""
    assert run.returncode == (130 if number == signal.SIGINT else -number)
    assert not (tmp_path / "x").exists()


@pytest.mark.perf
def test_a_killed_one_leaves_what_it_had_and_nothing_else(tmp_path: Path) -> None:
    argv = [PERFPATH, "record", "-o", "x", "ping", "-i", "0.01", "127.0.0.1"]
    with subprocess.Popen(argv, cwd=tmp_path, stdout=subprocess.PIPE) as run:
        assert run.stdout
        for _ in range(200):
            assert run.stdout.readline()
        stream = tmp_path / "x" / "perf.data"
        size, limit = stream.stat().st_size, time.monotonic() + 60
        while stream.stat().st_size == size:  # the pings before are written, or will be with what comes next
            assert run.stdout.readline()
            assert time.monotonic() < limit
        (child,) = (int(each) for each in pings(run.pid))
        run.kill()
    os.kill(child, signal.SIGKILL)  # the command is the user's: it goes on without us
    found = {path.name for path in (tmp_path / "x").iterdir()} - {"inventory.json.new"}  # it may be being written
    assert found - {"packets.pcapng"} == {"perf.data", "capture.json", "inventory.json"}
    assert journeys(tmp_path / "x") > 10
    done = perfpath("report", "--format", "jsonl", "x", folder=tmp_path)
    assert done.returncode == 0
    assert "the recording was interrupted" in done.stderr
    shown = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(shown) > 10  # whose flows it followed is known
    hops = [hop for each in shown for hop in each["hops"] if hop["dev"] == "lo"]
    assert {hop["netns"]["name"] for hop in hops if hop["netns"]} == {"host"}
    assert perfpath("record", "--force", "-o", "x", "true", folder=tmp_path).returncode == 0


@pytest.mark.perf
@pytest.mark.netns
def test_a_killed_one_knows_what_came_while_it_recorded(lab: Lab, tmp_path: Path) -> None:
    argv = [PERFPATH, "record", "-a", "-o", "x"]
    with subprocess.Popen(argv, cwd=tmp_path) as run:
        topology = tmp_path / "x" / "inventory.json"
        limit = time.monotonic() + 60
        while not topology.exists():
            assert time.monotonic() < limit
            time.sleep(0.01)
        late = lab.namespace("late")
        while late not in topology.read_text():  # each time it is whole
            assert time.monotonic() < limit
            json.loads(topology.read_text())
            time.sleep(0.01)
        assert topology.stat().st_mode & 0o777 == 0o600
        run.kill()
    done = perfpath("topology", "--from", "x", late, folder=tmp_path)
    assert (done.returncode, late in done.stdout) == (0, True)


def pings(parent: int) -> list[str]:
    """The pids of its children that are pings."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [pid for pid in children if Path(f"/proc/{pid}/comm").read_text() == "ping\n"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=900k", "none", disk], check=True)
    yield disk
    subprocess.run(["umount", disk], check=True)


@pytest.mark.perf
@pytest.mark.netns
def test_a_full_disk_ends_it_and_what_is_there_is_read(small_disk: Path) -> None:
    done = perfpath("record", "-a", "--packets", "none", "-o", "x", *FLOOD, folder=small_disk)
    assert done.returncode == 6
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert "defect" not in done.stderr
    assert (
        json.loads((small_disk / "x" / "capture.json").read_text())["diagnostics"]["notes"][-1]["code"] == "cut-short"
    )
    assert journeys(small_disk / "x") > 100


@pytest.mark.parametrize("piece", [7, 4096, 1 << 20])
@pytest.mark.parametrize("name", ["perf-6.1/four.pipe", "perf-6.12/four.pipe", "perf-6.1/flood.killed.pipe"])
def test_what_passes_is_counted_as_the_reader_counts_it(corpus: Path, name: str, piece: int) -> None:
    data = (corpus / name).read_bytes()
    decoder, tally = PipeDecoder(), Tally()
    for at in range(0, len(data), piece):
        tally.feed(data[at : at + piece])
    decoder.feed(data)
    table = concatenated([decoder.take(), decoder.close()])
    twice = sum(note.count for code, note in decoder.diagnostics.notes.items() if "twice" in code)
    assert tally.sound
    assert (tally.events, tally.lost) == (len(table) + twice, decoder.diagnostics.lost)


def test_what_is_no_recording_is_not_counted() -> None:
    tally = Tally()
    tally.feed(bytes(64))
    assert not tally.sound
