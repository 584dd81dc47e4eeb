"""A filter that the kernel applies before perf sees an event.

It decides by event, not by packet: a way of which some hops don't satisfy it is recorded in part. Hardly anything that
is asked of whole journeys can be decided so: the four tracepoints have in common only the device's name, which changes
from hop to hop, and the length, which is counted with and without the link-layer header and changes in tunnels
(/sys/kernel/tracing/events/net/*/format; two of them have the protocol). So it is only ever what the user asks for.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from perfpath.capture.probe import privileged
from perfpath.errors import UsageError
from perfpath.escape import visible
from perfpath.tracepoints import MAIN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfpath.capture.plan import Plan

OURS = "perfpath_"  # how the groups of our dynamic events begin, whose device is called `dev`
_WORD = re.compile(r'"[^"]*"|\'[^\']*\'|\bname\b')


def filtered(plan: Plan, event: str) -> list[str]:
    """Options of perf behind `--event` of one of the four tracepoints, or of our dynamic event on it."""
    if not plan.kernel_filter:
        return []
    if event.startswith(OURS):
        return ["--filter", _WORD.sub(lambda match: "dev" if match[0] == "name" else match[0], plan.kernel_filter)]
    return ["--filter", plan.kernel_filter] if event in {each.name for each in MAIN} else []


def refused(plan: Plan, words: Sequence[str]) -> UsageError | None:
    """The error where perf ended, quietly, because the kernel didn't take the filter, else None."""
    if not plan.kernel_filter or words or not privileged():
        return None
    return UsageError(
        f"--kernel-filter {visible(plan.kernel_filter)!r} isn't understood by the kernel: compare `name` (with text in "
        "quotes) and `len` by == != < > ~ && ||, such as 'name == \"eth0\" && len > 100'"
    )
