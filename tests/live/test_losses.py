"""What packet sockets lose is told, wherever results are shown, and --strict judges by it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.perf, pytest.mark.netns]
PERFPATH = str(Path(sys.executable).with_name("perfpath"))
FLOOD = """
import os, socket
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # one CPU's ring is to overflow
sender = socket.socket(type=socket.SOCK_DGRAM)
for _ in range(50_000): sender.sendto(b"x", ("127.0.0.1", 9))
"""
SAID = "packets that found no room in a packet socket's ring"


def overrun(*args: str, folder: Path) -> tuple[int, str]:
    """(exit status, standard error) of a run that is stopped while more goes on than its rings can hold."""
    argv = [PERFPATH, *args, "sh", "-c", "echo ready; read line"]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, cwd=folder, stdin=pipe, stdout=pipe, stderr=pipe) as run:
        assert run.stdout
        assert run.stdin
        while (line := run.stdout.readline()) != b"ready\n":
            assert line, run.stderr and run.stderr.read()
        os.kill(run.pid, signal.SIGSTOP)
        subprocess.run([sys.executable, "-c", FLOOD], check=True)
        os.kill(run.pid, signal.SIGCONT)
        _, said = run.communicate(b"\n", timeout=100)
    return run.returncode, said.decode()


def test_in_a_recording_and_its_report(tmp_path: Path) -> None:
    assert overrun("record", "-o", "x", "--packets", "socket", "--strict", folder=tmp_path)[0] == 3
    notes = {
        each["code"]: each for each in json.loads((tmp_path / "x" / "capture.json").read_text())["diagnostics"]["notes"]
    }
    assert notes["packets-dropped"]["severity"] == "error"
    assert notes["packets-dropped"]["count"] > 1000
    argv = [PERFPATH, "report", "--all", "--strict", "--format", "jsonl", "x"]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert SAID in done.stderr


@pytest.mark.parametrize("verb", [(), ("top",)], ids=["run", "top"])
def test_where_it_is_shown_live(verb: tuple[str, ...], tmp_path: Path) -> None:
    options = ("--packets", "socket", "--all", "--strict", *(() if verb else ("--format", "summary")))
    status, said = overrun(*verb, *options, folder=tmp_path)
    assert status == 3
    assert SAID in said


def test_what_is_shown_late_is_said_to_be(tmp_path: Path) -> None:
    """perfpath is stopped while the command goes on."""
    argv = [PERFPATH, "--format", "plain", "-o", "hops", "ping", "-i", "0.1", "127.0.0.1"]
    with subprocess.Popen(argv, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert run.stdout
        while "icmp_seq=3 " not in run.stdout.readline():
            assert run.poll() is None
        os.kill(run.pid, signal.SIGSTOP)
        while "icmp_seq=25 " not in run.stdout.readline():
            assert run.poll() is None
        os.kill(run.pid, signal.SIGCONT)
        while "icmp_seq=40 " not in run.stdout.readline():
            assert run.poll() is None
        run.send_signal(signal.SIGTERM)
        _, said = run.communicate(timeout=60)
    assert "shown up to " in said, said
    assert " s late" in said
