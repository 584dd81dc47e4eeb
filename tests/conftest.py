"""What tests share: real labs, and the rule that CI never skips what it must run."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from perfpath.capture.hearing import deaf_cpus
from perfpath.capture.lab import Lab

if TYPE_CHECKING:
    from collections.abc import Iterator

settings.register_profile("house", deadline=None)  # a busy machine is no defect
settings.register_profile("ci", derandomize=True, deadline=None)  # the same for everybody: a red run is the change's
settings.load_profile("ci" if os.environ.get("CI") else "house")

REQUIRED = {word for word in os.environ.get("PERFPATH_REQUIRE", "").split(",") if word}
"""perf, netns, vm, corpus: a test that needs one of these fails instead of skipping."""


DEAF = pytest.StashKey[set[int]]()


def missing(need: str) -> str:
    """Why a need can't be met here, or "" where it can."""
    if os.geteuid() != 0:
        return "not root"
    if need == "perf" and shutil.which("perf") is None:
        return "perf is not installed"
    if need == "netns" and shutil.which("ip") is None:
        return "iproute2 is not installed"
    return ""


def pytest_configure(config: pytest.Config) -> None:
    """Run like a program started at a terminal, on CPUs that perf hears."""
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGQUIT, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:  # as for the background jobs of a shell; children inherit it
            signal.signal(number, usual)
    deaf: set[int] = set() if missing("perf") else deaf_cpus("perf")[0]
    if deaf and (hearing := os.sched_getaffinity(0) - deaf):
        os.sched_setaffinity(0, hearing)
    config.stash[DEAF] = deaf


def pytest_report_header(config: pytest.Config) -> str | None:
    deaf = config.stash[DEAF]
    named = ", ".join(map(str, sorted(deaf)))
    return f"perf is deaf to the idle task of CPU {named} on this kernel: the tests run elsewhere" if deaf else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What traces shares the machine with everything else there: it may try again, once, and the summary tells.

    Not where something was wrong, or a defect.
    """
    for item in items:
        if item.get_closest_marker("perf"):
            item.add_marker(pytest.mark.flaky(reruns=1, rerun_except=["defect of perfpath", "(?i)wrong", "Traceback"]))


def pytest_runtest_setup(item: pytest.Item) -> None:
    for need in ("perf", "netns"):
        if item.get_closest_marker(need) and (reason := missing(need)):
            if need in REQUIRED:
                pytest.fail(f"{need} is required here: {reason}")
            pytest.skip(reason)


@pytest.fixture
def lab() -> Iterator[Lab]:
    """An empty lab, torn down whatever happens."""
    with Lab() as built:
        yield built


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of recordings by other perf versions and kernels; it stands beside the checkout, not in it."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "corpus"
    if not folder.is_dir():
        if "corpus" in REQUIRED:
            pytest.fail(f"the corpus is required here and {folder} is missing")
        pytest.skip("the corpus of recordings is not beside this checkout")
    return folder
