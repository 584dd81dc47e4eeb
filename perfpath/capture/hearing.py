"""CPUs on which this kernel's perf shows nothing that happens while they are idle.

Seen on Linux 6.18 after much tracing: from then on, no event of the idle task of one CPU reaches perf, and nothing
is counted as lost. Packets that a timer or an interrupt handles there are missing from every recording.
"""

from __future__ import annotations

import os
import subprocess
import sys
from tempfile import TemporaryDirectory

EVENT = "timer:hrtimer_expire_entry"
WAKES = 20
SLEEPER = (
    f"import os, sys, time; os.sched_setaffinity(0, {{int(sys.argv[1])}}); [time.sleep(0.01) for _ in [0] * {WAKES}]"
)
"""Wakes up by timers, which find the CPU idle, or busy with something that perf shows."""


def deaf_cpus(perf: str) -> tuple[set[int], set[int]]:
    """(deaf, busy) of the CPUs we may run on, by this perf: busy ones never idled, so that nobody can tell.

    Takes half a second for each. Both are empty where perf can't record.
    """
    deaf, busy = set[int](), set[int]()
    for cpu in os.sched_getaffinity(0):
        running = _timers(perf, cpu)
        if running is None or "0" in running:
            continue
        (deaf if len(running) < WAKES / 2 else busy).add(cpu)
    return deaf, busy


def _timers(perf: str, cpu: int) -> list[str] | None:
    """Whom timers interrupted (pids, 0 for idle) while a sleeper was woken on that CPU; None where perf can't tell."""
    with TemporaryDirectory() as folder:
        recording = f"{folder}/perf.data"
        record = [perf, "record", "-q", "-B", "-C", str(cpu), "-e", EVENT, "-o", recording]
        done = subprocess.run(
            [*record, "--", sys.executable, "-c", SLEEPER, str(cpu)], capture_output=True, check=False
        )
        if done.returncode:
            return None
        script = [perf, "script", "-i", recording, "-F", "pid"]
        return subprocess.run(script, capture_output=True, text=True, check=False).stdout.split()
