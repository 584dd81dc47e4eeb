"""What stands beside the stream in a capture's directory."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from perfpath import __version__
from perfpath.errors import PerfpathError

if TYPE_CHECKING:
    from perfpath.capture.directory import CaptureDirectory
    from perfpath.capture.session import Session
    from perfpath.commands.watching import Watch

PIECE = 1 << 24  # bytes of the recording that are looked at together, in search of kernel addresses
AGAIN = 1.0  # seconds between two times that the topology is written while it changes, at least
SHARE = 50  # and so many times as long as writing it took


class Beside:
    """Keeps what stands beside the stream up to date, so that a recording whose writer is killed has it too.

    What only the end tells is missing then: the kernel's symbols, and what went wrong.
    """

    def __init__(self, directory: CaptureDirectory, session: Session, watch: Watch) -> None:
        self._directory, self._session, self._watch = directory, session, watch
        self._version = -1
        self._next = 0.0

    def begin(self) -> None:
        """Write what is known when the recording begins. Raises OutputError."""
        self._directory.say(_facts(self._session))
        self.follow()

    def follow(self) -> None:
        """Write the topology anew where it has changed, but not too often. Raises OutputError."""
        began = time.monotonic()
        if self._watch.version == self._version or began < self._next:
            return
        self._version = self._watch.version
        self._keep()
        now = time.monotonic()
        self._next = now + max(AGAIN, (now - began) * SHARE)

    def finish(self) -> None:
        """Write all of it: the capture is whole then. Raises OutputError."""
        self._directory.end()
        _keep_symbols(self._directory, self._session)
        self._keep()
        ended = datetime.now(UTC).astimezone().isoformat()
        self._directory.say({**_facts(self._session), "ended": ended})

    def _keep(self) -> None:
        from perfpath.netns.saved import to_json

        if self._watch.inventory is not None:
            self._directory.save("inventory.json", to_json(self._watch.inventory) + "\n")


def _facts(session: Session) -> dict[str, Any]:
    return {
        "perfpath": __version__,
        "perf": session.perf,
        "backend": session.backend,
        "command": list(session.plan.command),
        "system_wide": session.plan.system_wide,
        "followed": session.followed,
        "kernel_filter": session.plan.kernel_filter,
        "ended": None,
        "status": session.child_status,
        "diagnostics": session.diagnostics.as_dict(),
    }


def _keep_symbols(directory: CaptureDirectory, session: Session) -> None:
    """Write the names of the kernel addresses that the recording holds: other machines, and later boots, lack them."""
    if session.backend != "record":
        return
    from perfpath.capture.kallsyms import Kallsyms
    from perfpath.readers.perfdata import open_perfdata
    from perfpath.symbols import to_json

    try:
        source = open_perfdata(directory.path / "perf.data", batch_bytes=PIECE)
        for _ in source.batches():
            pass
    except PerfpathError as error:
        session.diagnostics.note("no-symbols", f"the kernel's symbols were not kept: {error}")
        return
    addresses = {address for stack in source.stacks for address in stack}
    addresses |= {int(text, 16) for text in source.names["location"].texts} if "location" in source.names else set()
    if addresses:
        directory.save("symbols.json", to_json(Kallsyms(), addresses))
