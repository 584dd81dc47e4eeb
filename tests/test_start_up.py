"""What is imported when: start-up counts."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

SAMPLE = str(Path(__file__).resolve().parent.parent / "samples" / "demo")
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


@pytest.mark.parametrize("form", ["summary", "jsonl", "tree"])
def test_a_report_needs_no_masked_arrays(form: str, tmp_path: Path) -> None:
    """np.unique and np.isin import numpy.ma, which takes as long as a hundred thousand events."""
    arguments = ["report", "--format", form, "-o", str(tmp_path / "out"), SAMPLE]
    loaded = imported(f"from perfpath.cli import main; main({arguments!r})")
    assert ("numpy.ma" in loaded) == ("numpy.ma" in imported("import numpy"))  # older ones have it from the beginning


HOLES = """
from perfpath.start_up import give_back, import_numpy
import_numpy()
import numpy as np

def resident():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmRSS"))

pieces = [np.ones(1 << 17) for _ in range(100)]  # 1 MB each
kept = pieces[::10]
del pieces
before = resident()
give_back()
print(before - resident())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries give memory back by themselves")
def test_freed_memory_is_kept_until_it_is_given_back() -> None:
    """In KB: holes between pieces that are still used too, which a flood makes many of."""
    given = int(subprocess.run([sys.executable, "-c", HOLES], capture_output=True, text=True, check=True).stdout)
    assert given > 80_000
