"""What is imported when: start-up counts."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"pandas", "numpy", "rich", "dateutil"}


def imported(code: str) -> set[str]:
    probe = f"import sys\n{code}\nprint('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-P", "-c", probe], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "code",
    [
        "import perfpath",
        "from perfpath.cli import main; main(['--version'])",
        "from perfpath.capture.session import Session",
        "from perfpath.netns.live import take",
    ],
)
def test_nothing_heavy_is_imported_for(code: str) -> None:
    assert not imported(code) & HEAVY


def test_following_packets_needs_no_pandas() -> None:
    code = "import perfpath.readers.source, perfpath.journeys.tracker, perfpath.render, perfpath.readers.perfdata"
    assert not imported(code) & {"pandas", "rich"}
