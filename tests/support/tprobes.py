"""Dynamic events on tracepoints, for the tests of --packets tprobe: which kernels have them, and how they are used."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from perfpath.capture.tprobes import events
from perfpath.errors import CaptureError

PERFPATH = str(Path(sys.executable).with_name("perfpath"))
PATIENCE = 300.0
"""Seconds: in a VM without hardware support everything takes long."""


def there() -> bool:
    try:
        return events._KIND in (events._file().parent / "README").read_text()
    except (CaptureError, OSError):
        return False


needs_tprobes = pytest.mark.skipif(
    not there() and "tprobe" not in os.environ.get("PERFPATH_REQUIRE", ""),
    reason="this kernel has no dynamic events on tracepoints (Linux 6.5 or later may): scripts/vm-test",
)


def perfpath(*args: str, **given: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([PERFPATH, *args], capture_output=True, text=True, check=False, timeout=PATIENCE, **given)


def journeys(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]
