"""Reads a million lines of each text format; prints the CPU it takes as a ratio to what perf script took to print them.

    scripts/bench_text.py [PERF.DATA]

Without PERF.DATA the recording of a million events in the corpus beside the checkout is used.
"""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

CORPUS = Path(__file__).resolve().parents[2] / "shared" / "corpus" / "million.zstd.data"
READ = "import sys; from perfpath.readers.source import open_recording; list(open_recording(sys.argv[1]).batches())"
START = "import sys; import perfpath.readers.text.source"
LINE = re.compile(rb"(?m)^ *(\S+) +(\d+) +\[(\d+)\] +(\d+)\.(\d+): +net:(\w+): (.*)$")
OTHERS = {
    "perf trace": lambda m: b"%8b.%b %b/%b net:%b(%b)" % (m[4], m[5][:3], m[1], m[2], m[6], m[7]),
    "ftrace": lambda m: b"%16b-%-7b [%b] b.s2.%6b.%b: %b: %b" % (m[1], m[2], m[3], m[4], m[5], m[6], m[7]),
    "trace-cmd": lambda m: b"%16b-%-5b [%b]%6b.%b: %-21b %b" % (m[1], m[2], m[3], m[4], m[5], m[6] + b":", m[7]),
}


def main() -> None:
    """Print one line a format."""
    recording = Path(sys.argv[1]) if len(sys.argv) > 1 else CORPUS
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "perf-script.txt"
        with text.open("wb") as output:
            printing = _cpu(["perf", "script", "-i", str(recording)], output.fileno())
        _say(f"perf script printed {recording.name} in {printing:.2f} s of CPU")
        _show("perf script", text, printing)
        lines = text.read_bytes()
        for name, write in OTHERS.items():
            other = Path(folder) / "other.txt"
            other.write_bytes(LINE.sub(write, lines))
            _show(name, other, printing)


def _show(name: str, text: Path, printing: float) -> None:
    start_up = _cpu([sys.executable, "-c", START], None)
    reading = _cpu([sys.executable, "-c", READ, str(text)], None)
    _say(
        f"{name:12} read with {reading / printing:.2f} of perf script's CPU "
        f"({reading:.2f} s, of which {start_up:.2f} s start-up; {text.stat().st_size / 1e6:.0f} MB)"
    )


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _cpu(command: list[str], stdout: int | None) -> float:
    """User and system seconds of a command, all its threads."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL if stdout is None else stdout, env=dict(os.environ))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
