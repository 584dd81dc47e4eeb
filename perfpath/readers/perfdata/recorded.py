"""What decoders and sources of perf.data have in common: what the recording says beside its events."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from perfpath.diagnostics import Diagnostics
    from perfpath.firstbytes import FirstBytes
    from perfpath.readers.perfdata.formats import Format
    from perfpath.readers.perfdata.stacks import Stack
    from perfpath.readers.perfdata.state import State
    from perfpath.readers.recording import Info, TaskNamespaces
    from perfpath.tables import Array, Names


class Recorded:
    """A view of what is known of a recording so far."""

    _state: State

    @property
    def info(self) -> Info:
        """What the recording says of itself."""
        return self._state.info

    @property
    def diagnostics(self) -> Diagnostics:
        """Losses and doubts."""
        return self._state.diagnostics

    @property
    def names(self) -> dict[str, Names]:
        """The categories of all tables' columns."""
        return self._state.names

    @property
    def tasks(self) -> TaskNamespaces:
        """Which network namespaces threads were in."""
        return self._state.tasks.namespaces

    @property
    def stacks(self) -> list[Stack]:
        """Kernel stacks by the number in the `stack` column, innermost address first."""
        return self._state.stacks.stacks

    @property
    def packets(self) -> FirstBytes:
        """First bytes of packets by the number in the `packet` column."""
        return self._state.packets

    def follow(self, pid: int) -> Callable[[Array, Array], Array]:
        """Tell which threads are a process' or its descendants'; to be called before anything is read.

        Returns a function of thread ids and times (ns), which gives bool[n]; it knows what was read so far.
        """
        self._state.tasks.follow(pid)
        return self._state.tasks.kin

    def format(self, event: str) -> Format | None:
        """The recording's own description of an event (`net_dev_queue`, `skb:kfree_skb`), None where it has none."""
        forms = self._state.formats.values()
        return next((form for form in forms if event in {form.event, form.perf_name}), None)
