"""What stands beside the stream in a capture's directory."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from perfpath import __version__

if TYPE_CHECKING:
    from perfpath.capture.directory import CaptureDirectory
    from perfpath.capture.session import Session
    from perfpath.netns.inventory import Inventory


def finish(directory: CaptureDirectory, session: Session, inventory: Inventory | None) -> None:
    """Write what stands beside the stream: the capture is whole then."""
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
            "ended": datetime.now(UTC).astimezone().isoformat(),
            "status": session.child_status,
            "diagnostics": session.diagnostics.as_dict(),
        }
    )
