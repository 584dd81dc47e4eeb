"""Whose a signal is, and that nothing of ours survives."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest
from traced import PATIENCE, Driver, Traced, descendants, lives, program, until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.perf

HOP = re.compile(rb"dev=lo |[^\w]lo\0")
"""An event of the loopback, in the text or in a recording."""


@pytest.fixture(params=["record", "trace"])
def driver(request: pytest.FixtureRequest, tmp_path: Path) -> Driver:
    return Driver(tmp_path, backend=request.param)


class Terminal:
    """A traced command in the foreground of a terminal of its own."""

    def __init__(self, traced: Traced) -> None:
        self.shown = b""
        self.pid, self._keys = pty.fork()
        if self.pid == 0:
            os.execv(traced.argv[0], traced.argv)  # noqa: S606 - that is the test

    def expect(self, text: bytes) -> None:
        while text not in self.shown:
            self.shown += os.read(self._keys, 4096)

    def press(self, key: bytes) -> None:
        os.write(self._keys, key)

    def end(self) -> int:
        _, status = os.waitpid(self.pid, 0)
        os.close(self._keys)
        return os.waitstatus_to_exitcode(status)


def perfs(pid: int) -> list[int]:
    return [one for one in descendants(pid) if program(one).startswith("perf")]


def test_ctrl_c_ends_the_command_and_the_trace_is_whole(driver: Driver) -> None:
    traced = driver.prepare("sh", "-c", "echo ready; exec cat")
    terminal = Terminal(traced)
    terminal.expect(b"ready")
    terminal.press(b"\x03")
    assert terminal.end() == 130
    assert traced.said["status"] == 130
    assert traced.said["signal"] == signal.SIGINT
    assert traced.said["notes"] == []


def test_ctrl_c_is_the_commands_to_survive(driver: Driver) -> None:
    script = "trap 'echo caught' INT; echo ready; read line; echo got $line; read line; ping -c1 127.0.0.1; exit 7"
    traced = driver.prepare("bash", "-c", script)
    terminal = Terminal(traced)
    terminal.expect(b"ready")
    terminal.press(b"\x03")
    terminal.expect(b"caught")
    terminal.press(b"one\n")
    terminal.expect(b"got one")
    terminal.press(b"two\n")
    terminal.expect(b"1 received")
    assert terminal.end() == 7
    assert any("dev=lo" in line for line in traced.events())
    assert terminal.shown.count(b"caught") == 1


def test_ctrl_backslash_is_the_commands(driver: Driver) -> None:
    terminal = Terminal(driver.prepare("sh", "-c", "ulimit -c 0; echo ready; exec cat"))
    terminal.expect(b"ready")
    terminal.press(b"\x1c")
    assert terminal.end() == 128 + signal.SIGQUIT


def test_the_command_reads_the_terminal(driver: Driver) -> None:
    terminal = Terminal(driver.prepare("sh", "-c", "echo ready; read line; test -t 0 && echo got $line"))
    terminal.expect(b"ready")
    terminal.press(b"words\n")
    terminal.expect(b"got words")
    assert terminal.end() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_signals_are_forwarded(driver: Driver, number: signal.Signals) -> None:
    script = f"trap 'echo caught; exit 9' {number.name.removeprefix('SIG')}; echo ready; while :; do read line; done"
    traced = driver.prepare("bash", "-c", script)
    with subprocess.Popen(traced.argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "ready\n"
        running.send_signal(number)
        assert running.stdout.readline() == "caught\n"
    assert running.returncode == 9
    assert traced.said["signal"] == number


def test_an_interrupt_from_elsewhere_reaches_the_command(driver: Driver) -> None:
    traced = driver.prepare("sh", "-c", "echo ready; exec cat")
    with subprocess.Popen(
        traced.argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as running:
        assert running.stdout is not None
        running.stdout.readline()
        running.send_signal(signal.SIGINT)
        assert running.wait(PATIENCE) == 130


def test_what_we_were_told_to_ignore_stays_ignored(driver: Driver) -> None:
    traced = driver.prepare("sh", "-c", "kill -INT $$; kill -HUP $$; exit 6")
    done = subprocess.run(
        ["sh", "-c", "trap '' INT HUP; exec \"$@\"", "sh", *traced.argv], check=False, timeout=PATIENCE
    )
    assert done.returncode == 6


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_whole_system_until_a_signal(driver: Driver, number: signal.Signals) -> None:
    traced = driver.prepare(system_wide=True)
    with subprocess.Popen(traced.argv) as running:
        until(lambda: traced.started, "perf traces")
        subprocess.run(["ping", "-c1", "127.0.0.1"], check=True, stdout=subprocess.DEVNULL)
        running.send_signal(number)
    assert running.returncode == 0
    assert traced.said["status"] is None
    assert traced.said["signal"] == number
    assert any("dev=lo" in line and "ping" in line for line in traced.events())


def test_a_second_interrupt_ends_at_once(driver: Driver) -> None:
    """perf is stopped (SIGSTOP), so that it can't answer the first one."""
    traced = driver.prepare(system_wide=True)
    with subprocess.Popen(traced.argv) as running:
        until(lambda: traced.started, "perf traces")
        perf = perfs(running.pid)
        for pid in perf:
            os.kill(pid, signal.SIGSTOP)
        running.send_signal(signal.SIGINT)
        running.send_signal(signal.SIGTERM)
        running.wait(PATIENCE)
    assert running.returncode == 0
    assert perf
    assert not any(lives(pid) for pid in perf)


def test_kill_9_leaves_no_perf(driver: Driver) -> None:
    traced = driver.prepare("sh", "-c", "echo ready; exec cat")
    with subprocess.Popen(traced.argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        running.stdout.readline()
        until(lambda: "cat" in map(program, descendants(running.pid)), "the shell has become cat")
        family = descendants(running.pid)
        command = [pid for pid in family if program(pid) == "cat"]
        assert len(perfs(running.pid)) == len(command) == 1
        running.kill()
        until(lambda: not any(lives(pid) for pid in family if pid not in command), "all but the command are gone")
        assert lives(command[0])
        assert running.stdin is not None
        running.stdin.close()  # ends cat
        until(lambda: not lives(command[0]), "the command ends by itself")


def test_kill_9_while_the_command_waits_at_its_gate(tmp_path: Path) -> None:
    stuck = tmp_path / "perf"
    stuck.write_text('#!/bin/sh\n[ "$1" = --version ] && echo perf version 0 && exit\nexec sleep 1000\n')
    stuck.chmod(0o755)
    mark = tmp_path / "ran"
    traced = Driver(tmp_path, perf=str(stuck)).prepare("touch", str(mark))
    with subprocess.Popen(traced.argv) as running:
        until(lambda: len(descendants(running.pid)) == 2, "perf and the command have been started")
        family = descendants(running.pid)
        running.kill()
        until(lambda: not any(map(lives, family)), "both are gone")
    assert not mark.exists()


def test_perf_killed_in_the_middle(driver: Driver) -> None:
    traced = driver.prepare("sh", "-c", "ping -c1 127.0.0.1; read line; exit 5")
    with subprocess.Popen(traced.argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        until(lambda: traced.started and HOP.search(traced.out.read_bytes()) is not None, "an event")
        (perf,) = perfs(running.pid)
        os.kill(perf, signal.SIGKILL)
        until(lambda: not lives(perf), "perf is gone")
        assert running.poll() is None
        running.communicate(b"go\n", timeout=PATIENCE)
    assert running.returncode == 5
    (note,) = traced.said["notes"]
    assert (note["code"], note["severity"], note["examples"]) == ("perf-ended", "error", ["signal 9"])
    assert any("dev=lo" in line for line in traced.events())


def test_no_temporary_file(driver: Driver, tmp_path: Path) -> None:
    before = set(tmp_path.iterdir())
    traced = driver.prepare("sh", "-c", "pwd")
    done = subprocess.run(
        traced.argv, check=True, cwd=tmp_path, env={**os.environ, "TMPDIR": str(tmp_path)}, capture_output=True
    )
    assert done.stdout.decode().strip() == str(tmp_path)
    assert {path.suffix for path in set(tmp_path.iterdir()) - before} == {"", ".json", ".started"}
    assert len(set(tmp_path.iterdir()) - before) == 3
