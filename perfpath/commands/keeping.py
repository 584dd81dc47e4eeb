"""What stands beside the stream in a capture's directory."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from perfpath import __version__
from perfpath.errors import PerfpathError

if TYPE_CHECKING:
    from perfpath.capture.directory import CaptureDirectory
    from perfpath.capture.session import Session
    from perfpath.netns.inventory import Inventory

PIECE = 1 << 24  # bytes of the recording that are looked at together, in search of kernel addresses


def finish(directory: CaptureDirectory, session: Session, inventory: Inventory | None) -> None:
    """Write what stands beside the stream: the capture is whole then."""
    followed = session.followed
    _keep_symbols(directory, session)
    from perfpath.netns.saved import to_json

    if inventory is not None:
        directory.save("inventory.json", to_json(inventory) + "\n")
    directory.finish(
        {
            "perfpath": __version__,
            "perf": session.perf,
            "backend": session.backend,
            "command": list(session.plan.command),
            "system_wide": session.plan.system_wide,
            "followed": followed,
            "kernel_filter": session.plan.kernel_filter,
            "ended": datetime.now(UTC).astimezone().isoformat(),
            "status": session.child_status,
            "diagnostics": session.diagnostics.as_dict(),
        }
    )


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
