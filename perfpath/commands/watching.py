"""The host's namespaces while a capture runs."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from perfpath.errors import PerfpathError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from perfpath.diagnostics import Diagnostics
    from perfpath.netns.inventory import Inventory


class Watch(Protocol):
    """What is known of the host so far: `version` grows when it changes."""

    @property
    def inventory(self) -> Inventory | None:
        """Everything seen so far."""

    @property
    def version(self) -> int:
        """Grows with each change."""


class Blind:
    """Where nothing can be known."""

    inventory = None
    version = 0


@contextmanager
def watched(diagnostics: Diagnostics) -> Iterator[Watch]:
    """Keep the inventory up to date while the block runs; after it, everything that stood there is known.

    Where namespaces can't be read a note says so: tracing goes on without places.
    """
    from perfpath.netns.live import take
    from perfpath.netns.watch import Watcher

    try:
        watcher = Watcher(take(diagnostics))
    except (PerfpathError, OSError) as error:
        diagnostics.note("no-inventory", f"namespaces can't be read, so hops can't be placed: {error}")
        yield Blind()
        return
    with watcher:
        yield watcher
    diagnostics.absorb(watcher.diagnostics)
