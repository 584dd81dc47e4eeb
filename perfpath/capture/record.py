"""The record backend: `perf record` in pipe mode, made live by a heartbeat.

perf writes what its buffers hold when they are half full, or when it wakes up. A command on its control descriptor
wakes it, so one every 50 ms brings the events here within that time, in batches, for a fraction of what a wake-up for
each event costs; and the stream is a whole recording. (tools/perf/builtin-record.c, tools/perf/util/evlist.c:
evlist__ctlfd_process; `--control fd:` since perf 5.9.)
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING

from perfpath.capture.child import GatedCommand, Process
from perfpath.capture.fork import spawn_tied
from perfpath.capture.kernelfilter import filtered
from perfpath.tracepoints import DROPS, perf_name

if TYPE_CHECKING:
    from perfpath.capture.plan import Plan

PIPE_BYTES = 1 << 20  # the most that anyone may ask for (fs.pipe-max-size)
NEEDED = "control"
_OPTIONAL = (  # in the order tried; an older perf goes without those it doesn't know
    "--quiet",
    "--no-buildid",
    "--no-bpf-event",  # its thread would make perf's end wait for up to a second
    "--synth=task",  # names and namespaces of what runs already; not their mappings, which take long
    "--namespaces",
    "--kernel-callchains",
    "--clockid=CLOCK_MONOTONIC",
)

_WITH_STACK = (
    "/call-graph=fp/"  # an event's own term (perf >= 4.3): drops are rare, and a stack tells the firewall hook
)


class Recorder:
    """One running `perf record`; the command waits at its gate until perf watches it."""

    name = "record"
    format = "perf.data pipe"

    def __init__(
        self, perf: str, plan: Plan, events: tuple[str, ...], command: GatedCommand | None, without: frozenset[str]
    ) -> None:
        """Start perf. without: names of options (`synth`) that this perf doesn't know."""
        self.ready = False
        self._gate = command
        read_control, self._control = os.pipe()
        self.report, write_report = os.pipe()
        self.out, write_out = os.pipe()
        err, write_err = os.pipe()
        self.err: int | None = err
        with contextlib.suppress(OSError):
            fcntl.fcntl(self.out, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        argv = [perf, "record", "-o", "-", f"--control=fd:{read_control},{write_report}"]
        argv += [option for option in _OPTIONAL if _long_name(option) not in without]
        argv += _wishes(plan, events, command)
        try:
            with open(os.devnull, "rb") as nothing:  # noqa: PTH123 - a descriptor is all that is wanted
                pid = spawn_tied(
                    argv,
                    stdio=(nothing.fileno(), write_out, write_err),
                    keep=(read_control, write_report),
                    env={**os.environ, "PERF_CONFIG": os.devnull},
                )
        finally:
            for fd in (read_control, write_report, write_out, write_err):
                os.close(fd)
        self.process = Process(pid)
        # `enable` changes nothing but is answered by every perf with --control (`ping` came later, in 5.12):
        # the answer means that perf is in its main loop and that the events are on.
        self._tell(b"enable\n")

    def hear(self) -> bool:
        """Take what perf says on its report descriptor; False at its end."""
        said = os.read(self.report, 4096)
        self.ready = self.ready or b"ack" in said
        return bool(said)

    def release(self) -> Process | None:
        """Let the command run. Raises CommandNotFoundError, CommandNotExecutableError."""
        if self._gate is not None:
            self._gate.release()
        return self._gate

    def beat(self) -> None:
        """Wake perf up, so that it writes what it has. (A perf too old to know `ping` wakes up as well.)"""
        self._tell(b"ping\n")

    def ask_end(self) -> None:
        """Ask perf to write the rest and end."""
        self._tell(b"stop\n")

    def _tell(self, line: bytes) -> None:
        with contextlib.suppress(BrokenPipeError):  # it has ended; the session sees that on the stream
            os.write(self._control, line)

    def close(self) -> None:
        """Close the descriptors; perf must have ended."""
        for fd in (self._control, self.report, self.out, self.err):
            if fd is not None:
                os.close(fd)
        self.process.close()


def unknown_option(complaint: str) -> str | None:
    """The long name of the option that perf says it doesn't know (tools/lib/subcmd/parse-options.c), else None."""
    _, found, rest = complaint.partition("unknown option `")
    return rest.split("'")[0].split("=")[0].removeprefix("no-") if found else None


def _long_name(option: str) -> str:
    return option.removeprefix("--").removeprefix("no-").split("=")[0]


def _wishes(plan: Plan, events: tuple[str, ...], command: GatedCommand | None) -> list[str]:
    everything = plan.system_wide or plan.following or command is None
    argv = ["--all-cpus"] if everything or command is None else ["--pid", str(command.pid)]
    for event in events:
        argv += ["--event", perf_name(event) + (_WITH_STACK if event in DROPS else ""), *filtered(plan, event)]
    if plan.callchains:
        argv.append("-g")
    if plan.buffer is not None:
        argv += ["--mmap-pages", plan.buffer]
    return [*argv, *plan.options]
