"""Start perf in a way that this perf and this kernel can: by trying, and listening to why it couldn't."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfpath.capture.child import GatedCommand
from perfpath.capture.kernelfilter import refused
from perfpath.capture.probe import choose_events, existing, explain
from perfpath.capture.record import NEEDED, Recorder, unknown_option
from perfpath.capture.stream import Stream
from perfpath.capture.tool import find_perf
from perfpath.errors import CaptureError
from perfpath.escape import visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfpath.capture.backend import Backend
    from perfpath.capture.plan import Plan
    from perfpath.diagnostics import Diagnostics


class Launcher:
    """Carries a plan out, with less of it each time that perf turns a part down.

    why: one line when "auto" had to fall back, else "".
    """

    def __init__(self, plan: Plan, diagnostics: Diagnostics) -> None:
        """Find perf and the tracepoints. Raises CaptureError."""
        self.plan = plan
        self.why = ""
        self.perf = find_perf(plan.perf)
        self._diagnostics = diagnostics
        self._events = choose_events(plan.events, diagnostics)
        self._backend = "trace" if plan.backend == "trace" else "record"
        self._without: frozenset[str] = frozenset()
        self._gate: GatedCommand | None = None

    def launch(self) -> Stream:
        """Start perf. Raises CommandNotFoundError, CommandNotExecutableError; nothing has run then."""
        return Stream(self._tracer() if self._backend == "trace" else self._recorder())

    def relaunch(self, words: Sequence[str]) -> Stream:
        """Start perf again after it ended with these words; raises CaptureError where nothing can be left out."""
        option = next(filter(None, map(unknown_option, words)), None)
        events = existing(self._events)
        if option == NEEDED and self._backend == "record":
            self._fall_back()
        elif option is not None and option not in self._without:
            self._do_without(option)
        elif events != self._events:
            self._events = choose_events(self._events, self._diagnostics)
        else:
            raise refused(self.plan, words) or explain(words, self.perf)
        return self.launch()

    def close(self) -> None:
        """Send a command home that still waits at its gate; one that runs is not touched."""
        if self._gate is not None:
            self._gate.close()
            self._gate = None

    def _recorder(self) -> Backend:
        if self.plan.command and self._gate is None:
            self._gate = GatedCommand(self.plan.command, self.plan.output)
        return Recorder(self.perf, self.plan, self._events, self._gate, self._without)

    def _tracer(self) -> Backend:
        from perfpath.capture.trace import Tracer  # rarely used, and start-up counts

        self.close()
        if self.plan.callchains:
            self._diagnostics.note("no-callchains", "perf trace is used, which gives no call stacks with the events")
        return Tracer(self.perf, self.plan, self._events, self._without)

    def _fall_back(self) -> None:
        self.why = f"{visible(self.perf)} has no --control, so its recording can't be followed live"
        if self.plan.backend == "record":
            raise CaptureError(f"{self.why}: use --backend trace, or a perf of version 5.9 or later (--perf PATH)")
        self._backend = "trace"

    def _do_without(self, option: str) -> None:
        self._without |= {option}
        self._diagnostics.note(
            "old-perf",
            "this perf lacks options that perfpath uses; it goes without them",
            severity="info",
            example=f"--{option}",
        )
