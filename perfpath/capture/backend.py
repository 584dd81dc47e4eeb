"""What the two ways to run perf have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from perfpath.capture.child import Process


class Backend(Protocol):
    """A perf that is starting or running.

    name: "record" or "trace". format: what its stream is. out: the stream's descriptor. err: that of perf's own words,
    None where they come on `out` as well. report: readable when `hear` has something to take; ready: perf traces.
    """

    name: str
    format: str
    process: Process
    ready: bool
    out: int
    err: int | None
    report: int

    def hear(self) -> bool:
        """Take what came on `report`; False at its end."""

    def release(self) -> Process | None:
        """Let the command run, if there is one. Raises CommandNotFoundError, CommandNotExecutableError."""

    def beat(self) -> None:
        """Make perf write what it has."""

    def ask_end(self) -> None:
        """Ask perf to write the rest and end."""

    def close(self) -> None:
        """Close the descriptors; perf must have ended."""
