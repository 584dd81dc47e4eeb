"""Where tracing isn't possible, or not as wished: one message that says what to do, before anything runs."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
from traced import Driver

from perfpath import tracepoints
from perfpath.capture import probe, tool
from perfpath.capture.plan import Plan
from perfpath.capture.session import Session
from perfpath.diagnostics import Diagnostics
from perfpath.errors import CaptureError, CommandNotExecutableError, CommandNotFoundError

REAL_PERF = shutil.which("perf") or "perf"
ONE_PING = ("ping", "-c1", "127.0.0.1")


@pytest.fixture(params=["record", "trace"])
def driver(request: pytest.FixtureRequest, tmp_path: Path) -> Driver:
    return Driver(tmp_path, backend=request.param)


def script(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def deaf_to(path: Path, *options: str) -> str:
    """A perf that doesn't know these options, and says so as perf does."""
    cases = "\n".join(
        f'--{option}*) echo "  Error: unknown option \\`{option}\'" >&2; exit 129 ;;' for option in options
    )
    return script(path, f'for word in "$@"; do case $word in {cases} esac; done\nexec {REAL_PERF} "$@"')


@pytest.mark.perf
@pytest.mark.parametrize(
    ("name", "status", "message"),
    [
        ("nowhere-to-be-found", 127, "nowhere-to-be-found: no such command on PATH\n"),
        ("./nowhere", 127, "./nowhere: no such file\n"),
        ("", 127, ": no such command on PATH\n"),
        ("/", 126, "/: is a directory, not a command\n"),
        ("./plain", 126, "./plain: may not be executed: allow it with chmod +x, or run it by its interpreter\n"),
        ("./text", 126, "./text: not a program for this machine, and no script either: its first line must begin with #!\n"),  # noqa: E501
        ("./lost", 127, "./lost: it, or the interpreter its first line names, doesn't exist\n"),
    ],
)  # fmt: skip
def test_the_command_cannot_run(
    driver: Driver, monkeypatch: pytest.MonkeyPatch, name: str, status: int, message: str
) -> None:
    monkeypatch.chdir(driver.folder)
    Path("plain").write_text("echo no\n")
    Path(script(Path("text"), "")).write_text("words\n")
    Path(script(Path("lost"), "")).write_text("#!/no/such/interpreter\n")
    traced = driver.run(name)
    assert (traced.status, traced.stderr) == (status, message)


def test_errors_of_commands_by_type() -> None:
    with Session(Plan(command=("nowhere-to-be-found",))) as session, pytest.raises(CommandNotFoundError):
        session.start()
    with Session(Plan(command=("/",))) as session, pytest.raises(CommandNotExecutableError):
        session.start()


def test_no_perf_at_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("PERFPATH_PERF", raising=False)
    monkeypatch.setattr(tool, "HIDDEN", (f"{tmp_path}/perf_*",))
    with pytest.raises(CaptureError, match=r"^no usable perf found; install it: apt install linux-perf \(Debian\)"):
        tool.find_perf()


def test_a_wrapper_that_finds_no_perf_for_this_kernel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    wrapper = script(tmp_path / "perf", 'echo "E: linux-perf-6.1 is not installed." >&2; exit 1')
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("PERFPATH_PERF", raising=False)
    monkeypatch.setattr(tool, "HIDDEN", (f"{tmp_path}/tools/perf_*",))
    with pytest.raises(CaptureError, match=r"perf doesn't run: E: linux-perf-6\.1 is not installed\.; no usable perf"):
        tool.find_perf()
    for version in ("5.10", "6.9", "6.12"):
        hidden = tmp_path / "tools" / f"perf_{version}"
        hidden.parent.mkdir(exist_ok=True)
        hidden.symlink_to(sys.executable)
    assert tool.find_perf() == str(tmp_path / "tools" / "perf_6.12")
    works = script(tmp_path / "tools" / f"perf_{os.uname().release}", "echo perf version 4.19")
    assert tool.find_perf() == works
    with pytest.raises(CaptureError, match=r"named as the perf to use, but it doesn't run: E: linux-perf-6.1"):
        tool.find_perf(wrapper)


def test_a_perf_named_by_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PERFPATH_PERF", str(tmp_path / "nothing"))
    with pytest.raises(CaptureError, match="nothing: named as the perf to use, but it isn't there"):
        tool.find_perf()
    monkeypatch.setenv("PERFPATH_PERF", script(tmp_path / "mine", "echo perf version 6.1"))
    assert tool.find_perf() == str(tmp_path / "mine")
    assert tool.find_perf(sys.executable) == sys.executable


@pytest.mark.perf
def test_an_old_perf_is_traced_with_and_the_session_says_why(tmp_path: Path) -> None:
    old = deaf_to(tmp_path / "old" / "perf", "control")
    traced = Driver(tmp_path, perf=old).run(*ONE_PING)
    assert traced.status == 0
    assert traced.said["backend"] == "trace"
    assert traced.said["why"] == f"{old} has no --control, so its recording can't be followed live"
    assert sum("dev=lo" in line for line in traced.events()) == 4
    refused = Driver(tmp_path, perf=old, backend="record").run("touch", str(tmp_path / "ran"))
    assert refused.status == CaptureError.status
    assert "use --backend trace" in refused.stderr
    assert not (tmp_path / "ran").exists()


@pytest.mark.perf
def test_options_that_perf_does_not_know_are_left_out(tmp_path: Path) -> None:
    old = deaf_to(tmp_path / "old" / "perf", "synth", "no-bpf-event", "namespaces")
    traced = Driver(tmp_path, perf=old, backend="record").run(*ONE_PING)
    assert traced.status == 0
    (note,) = traced.said["notes"]
    assert (note["code"], note["severity"], note["count"]) == ("old-perf", "info", 3)
    assert sum("dev=lo" in line for line in traced.events()) == 4


@pytest.mark.perf
def test_what_perf_says_at_its_end_is_in_the_message(driver: Driver) -> None:
    broken = script(driver.folder / "broken" / "perf", 'echo "perf: it is raining" >&2; exit 1')
    mark = driver.folder / "ran"
    trial = 'if [ "$1" = --version ]; then echo perf version 1; exit; fi\n'
    Path(broken).write_text(Path(broken).read_text().replace("#!/bin/sh\n", f"#!/bin/sh\n{trial}"))
    traced = driver.run("touch", str(mark), perf=broken)
    assert traced.status == CaptureError.status
    assert "(perf said: perf: it is raining)" in traced.stderr
    assert not mark.exists()


@pytest.mark.perf
def test_not_root(driver: Driver) -> None:
    driver.folder.chmod(0o777)
    for folder in driver.folder.parents:
        if folder.stat().st_uid == os.geteuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o011)
    if not all(folder.stat().st_mode & 1 for folder in Path(__file__).resolve().parents):
        pytest.skip("only its owner can enter this checkout: nobody can't run what is in it")
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    traced = driver.run("true", prefix=nobody)
    assert traced.status == CaptureError.status
    paranoid = Path("/proc/sys/kernel/perf_event_paranoid").read_text().strip()
    assert "user id 65534 is not root and lacks CAP_PERFMON" in traced.stderr
    assert f"kernel.perf_event_paranoid is {paranoid}: run it as root" in traced.stderr
    assert traced.stderr.count("\n") == 1


@pytest.mark.perf
def test_tracefs_not_mounted(driver: Driver) -> None:
    alone = [
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-c",
        'umount -a -t tracefs,debugfs; exec "$@"',
        "sh",
    ]
    with_missing = ("net_dev_queue", "no_such_tracepoint")
    traced = driver.run(*ONE_PING, prefix=alone, events=with_missing)
    assert traced.status == 0, traced.stderr  # perf mounts it where it may
    assert sum("net_dev_queue" in line for line in traced.events()) == 2
    assert traced.notes() == {"missing-tracepoint"}
    powerless = [*alone, "setpriv", "--bounding-set=-sys_admin"]
    traced = driver.run(*ONE_PING, prefix=powerless)
    assert traced.status == CaptureError.status
    assert traced.stderr.startswith("tracefs isn't mounted, or can't be read: mount it with `mount -t tracefs")


def test_perf_needs_a_place_for_its_scratch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "SCRATCH", "/nowhere")
    monkeypatch.setattr(probe, "privileged", lambda: True)
    monkeypatch.setattr(probe, "tracefs_events", lambda: "/tracing")
    with pytest.raises(CaptureError, match="it needs /nowhere, which can't be written to here"):
        raise probe.explain([], "perf")


@pytest.mark.perf
def test_missing_tracepoints_are_noted(driver: Driver) -> None:
    traced = driver.run(*ONE_PING, events=("net_dev_queue", "no_such_tracepoint", "nor:this_one"))
    assert traced.status == 0
    (note,) = traced.said["notes"]
    assert note["code"] == "missing-tracepoint"
    assert note["examples"] == ["net:no_such_tracepoint", "nor:this_one"]
    assert sum("net_dev_queue" in line for line in traced.events()) == 2


@pytest.mark.perf
def test_second_best_tracepoints() -> None:
    diagnostics = Diagnostics()
    assert probe.choose_events(["nope"], diagnostics) == tuple(event.name for event in tracepoints.FALLBACK)
    assert set(diagnostics.notes) == {"missing-tracepoint", "fallback-tracepoints"}


@pytest.mark.perf
def test_no_tracepoint_at_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "events").mkdir()
    (tmp_path / "events" / "header_page").touch()
    monkeypatch.setattr(probe, "TRACEFS", (tmp_path,))
    with pytest.raises(CaptureError, match="this kernel has none of the tracepoints net:net_dev_queue, "):
        probe.choose_events([event.name for event in tracepoints.MAIN], Diagnostics())


@pytest.mark.parametrize(
    ("mode", "words"), [("confidentiality", "nothing may be traced"), ("integrity", r"\(integrity\)")]
)
def test_lockdown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mode: str, words: str) -> None:
    (tmp_path / "lockdown").write_text("none integrity confidentiality\n".replace(mode, f"[{mode}]"))
    (tmp_path / "events").mkdir()
    (tmp_path / "events" / "header_page").touch()
    monkeypatch.setattr(probe, "LOCKDOWN", tmp_path / "lockdown")
    monkeypatch.setattr(probe, "TRACEFS", (tmp_path,))
    monkeypatch.setattr(probe, "privileged", lambda: True)
    with pytest.raises(CaptureError, match=f"{words}.*perf said: Operation not permitted"):
        raise probe.explain(["Operation not permitted"], "perf")


@pytest.mark.perf
def test_an_impossible_buffer_is_perfs_to_explain(driver: Driver) -> None:
    traced = driver.run("true", buffer="nonsense")
    assert traced.status == CaptureError.status
    assert "perf said: " in traced.stderr
