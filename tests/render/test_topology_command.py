"""`perfpath topology` as people call it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from perfpath.errors import EXIT_INVENTORY, EXIT_OUTPUT, EXIT_USAGE

if TYPE_CHECKING:
    from pathlib import Path

    from perfpath.capture.lab import Lab


def topology(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "perfpath.cli", "topology", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.netns
def test_which_veth_belongs_to_which_container(lab: Lab, tmp_path: Path) -> None:
    web, port = lab.namespace("web"), f"{lab.prefix}p"
    lab.veth("", port, web, "eth0")
    lab.bridge("", f"{lab.prefix}b", port)
    lines = topology(f"eth0@{web}").stdout.splitlines()
    assert lines[1] == f"└── eth0  veth  <-> {port} @host, port of {lab.prefix}b"
    assert topology(port).stdout.splitlines()[1].endswith(f"<-> eth0 @{web}; port of {lab.prefix}b")
    saved = tmp_path / "inventory.json"
    assert topology("--format", "json", "-o", str(saved)).returncode == 0
    assert topology("--from", str(saved), f"@{web}").stdout.splitlines()[2] == lines[1]


def test_errors_are_one_line(tmp_path: Path) -> None:
    saved = tmp_path / "inventory.json"
    saved.write_text(json.dumps({"format": "perfpath-inventory", "version": 1, "namespaces": []}))
    empty = tmp_path / "empty"
    empty.mkdir()
    wrong = tmp_path / "\x1b[31m.json"
    wrong.write_text("{}")
    for arguments, status, message in (
        (("--from", str(saved), "eth9"), EXIT_INVENTORY, "no interface or namespace is called eth9"),
        (("--from", str(tmp_path / "none")), EXIT_INVENTORY, "can't be read: No such file"),
        (("--from", str(tmp_path), "eth9"), EXIT_INVENTORY, "no interface or namespace is called eth9"),
        (("--from", str(empty)), EXIT_INVENTORY, "inventory.json can't be read: No such file"),
        (("--from", str(saved), str(tmp_path)), EXIT_INVENTORY, f"of that name: --from {tmp_path}"),
        (("--from", str(wrong)), EXIT_INVENTORY, r"\x1b[31m.json is not an inventory"),
        (("--from-ip-json", str(wrong)), EXIT_INVENTORY, r"\x1b[31m.json: what stands under"),
        (("--from-ip-json", str(tmp_path / "none")), EXIT_INVENTORY, "can't be read"),
        (("--from", str(saved), "-o", "/dev/full", "--format", "json"), EXIT_OUTPUT, "No space left"),
        (("--from", str(saved), "--from-ip-json", "x"), EXIT_USAGE, "not allowed with"),
    ):
        done = topology(*arguments)
        assert (done.returncode, "Traceback" in done.stderr, "\x1b" in done.stderr) == (status, False, False), done
        assert message in done.stderr
        assert done.stdout == ""
