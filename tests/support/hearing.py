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
SLEEPER = "import os, sys, time; os.sched_setaffinity(0, {int(sys.argv[1])}); [time.sleep(0.01) for _ in range(20)]"
"""Wakes up by timers, which find the CPU idle, or busy with something that perf shows."""
WAKES = 20


def deaf_cpus() -> set[int]:
    """Those of the CPUs we may run on. Empty where perf can't tell."""
    return {cpu for cpu in os.sched_getaffinity(0) if _timers(cpu) < WAKES / 2}


def _timers(cpu: int) -> int:
    """How many timers perf shows of those that wake a sleeper up on that CPU; all where it can't record them."""
    with TemporaryDirectory() as folder:
        recording = f"{folder}/perf.data"
        record = ["perf", "record", "-q", "-B", "-C", str(cpu), "-e", EVENT, "-o", recording]
        done = subprocess.run(
            [*record, "--", sys.executable, "-c", SLEEPER, str(cpu)], capture_output=True, check=False
        )
        if done.returncode:
            return WAKES
        script = ["perf", "script", "-i", recording, "-F", "pid"]
        pids = subprocess.run(script, capture_output=True, text=True, check=False).stdout.split()
        return len(pids)
