"""What `perfpath doctor` finds, on this machine and on worse ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from perfpath.capture.health import Finding
from perfpath.commands.doctor import line

if TYPE_CHECKING:
    from perfpath.capture.lab import Lab

PERFPATH = str(Path(sys.executable).with_name("perfpath"))


def doctor(*args: str, **given: Any) -> tuple[int, dict[str, dict[str, Any]]]:
    argv = [PERFPATH, "doctor", "--format", "json", *args]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120, **given)
    assert not done.stderr
    return done.returncode, {finding["what"]: finding for finding in json.loads(done.stdout)}


@pytest.mark.perf
@pytest.mark.netns
def test_a_machine_that_can_trace(lab: Lab) -> None:
    name = lab.namespace("one")
    status, found = doctor()
    assert status == 0
    assert all(found[what]["good"] for what in ("rights", "perf", "tracefs", "tracepoints", "packet sockets", "ip"))
    assert name in found["labs"]["said"]
    assert f"ip netns delete {name}" in found["labs"]["advice"]


@pytest.mark.perf
def test_without_rights_and_without_perf(tmp_path: Path) -> None:
    status, found = doctor("--perf", str(tmp_path / "none"))
    assert (status, found["perf"]["good"]) == (5, False)
    open_to_all = all(folder.stat().st_mode & 1 for folder in Path(PERFPATH).parents)
    if os.geteuid() == 0 and open_to_all:  # else nobody can't run what is in this checkout
        status, found = doctor(user=65534, group=65534, extra_groups=[], cwd="/")
        assert (status, found["rights"]["good"]) == (5, False)
        assert "sudo" in found["rights"]["advice"]


def test_a_finding_as_text() -> None:
    good = Finding("perf", good=True, said="/usr/bin/perf\x1b[31m", needed=True)
    assert line(good) == "ok  perf            /usr/bin/perf\\x1b[31m\n"
    bad = Finding("zstd", good=False, said="no", advice="install it")
    assert line(bad) == "--  zstd            no\n                    install it\n"
    assert line(Finding("rights", good=False, said="no", needed=True)).startswith("NO  rights")
