"""Dynamic events of ours on the four tracepoints: made, found again, removed.

Kernels since 6.5 (CONFIG_FPROBE_EVENTS, CONFIG_PROBE_EVENTS_BTF_ARGS) define events whose fields are read from the
arguments of a tracepoint (Documentation/trace/fprobetrace.rst). A tracepoint takes one such event; so events that a
killed run left behind are removed at the next start. The group's name says whose it is: process id and start time.
The kernel refuses to remove an event while perf has it open.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from perfpath.capture.probe import TRACEFS
from perfpath.capture.tprobes.btf import kernel
from perfpath.errors import CaptureError
from perfpath.tracepoints import MAIN

if TYPE_CHECKING:
    from collections.abc import Iterable

FILE = "dynamic_events"
FIELDS = (
    "skbaddr=skb:x64 len=skb->len data_len=skb->data_len netns=skb->dev->nd_net.net->ns.inum ifindex=skb->dev->ifindex "
    "dev=skb->dev->name:string protocol=skb->protocol nhoff=skb->network_header vlan_all=skb->vlan_all "
    "vlan_tci=skb->vlan_tci head=skb->head:x64 data=skb->data:x64 raw=+0(+{data}(skb)):x8[64] "
    "raw2=+64(+{data}(skb)):x8[64]"
)
"""An array has 64 elements at most. data: where struct sk_buff has its member of that name."""
LACKING = "this kernel lacks CONFIG_FPROBE_EVENTS or CONFIG_PROBE_EVENTS_BTF_ARGS (Linux 6.5 and later may have them)"
ENDING_SECONDS = 3.0
_KIND = "t[:[<group>/][<event>]] <tracepoint>"  # in tracefs' own README, where such events exist (kernel/trace/trace.c)
_GROUP = re.compile(r"t:(perfpath_(\d+)_(\d+)_[0-9a-f]+)/(\w+) ")


class Tprobes:
    """Our events, from entering the block to leaving it.

    names: `group:event`, as perf takes them. Entering raises CaptureError where this kernel can't have them.
    """

    def __init__(self) -> None:
        self.group = f"perfpath_{os.getpid()}_{_started(os.getpid())}_{secrets.token_hex(4)}"
        self.names: tuple[str, ...] = ()
        self._file = _file()

    def __enter__(self) -> Self:
        clean(self._file)
        if _KIND not in (self._file.parent / "README").read_text(encoding="utf-8", errors="replace"):
            raise CaptureError(f"dynamic events can't be made on tracepoints: {LACKING}")
        data = kernel().offset("sk_buff", "data")
        for event in MAIN:
            try:
                _tell(self._file, f"t:{self.group}/{event.name} {event.name} {FIELDS.format(data=data)}")
            except OSError as error:
                self.close()
                raise CaptureError(f"dynamic events on net:{event.name} can't be made: {_why(error)}") from error
            self.names += (f"{self.group}:{event.name}",)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove them. May be called again."""
        for name in self.names:
            with contextlib.suppress(OSError):
                _tell(self._file, "-:" + name.replace(":", "/"))
        self.names = ()


def leftovers(text: str) -> list[str]:
    """The events (`group/event`) of ours, in the text of `dynamic_events`, whose owner is gone."""
    found = []
    for line in text.splitlines():
        match = _GROUP.match(line)
        if match and _started(int(match[2])) != int(match[3]):
            found.append(f"{match[1]}/{match[4]}")
    return found


def clean(file: Path | None = None) -> list[str]:
    """Remove what killed runs left behind; returns what was removed. Never raises where there is nothing to read."""
    try:
        file = file or _file()
        found = leftovers(file.read_text(encoding="utf-8", errors="replace"))
    except (CaptureError, OSError):
        return []
    limit = time.monotonic() + ENDING_SECONDS
    return [name for name in found if _removed(file, name, limit)]


def _removed(file: Path, name: str, limit: float) -> bool:
    """Remove an event, until a time; the perf of a run that was killed may be ending just now."""
    while True:
        try:
            _tell(file, f"-:{name}")
        except OSError as error:
            if error.errno != errno.EBUSY or time.monotonic() > limit:
                return False
            time.sleep(0.02)
        else:
            return True


def _file() -> Path:
    """The file that dynamic events are made with. Raises CaptureError."""
    for root in _mounted(TRACEFS):
        if (root / FILE).exists():
            return root / FILE
    raise CaptureError("this kernel has no dynamic events, or tracefs isn't mounted")


def _mounted(roots: Iterable[Path]) -> Iterable[Path]:
    for root in roots:
        with contextlib.suppress(OSError):
            if (root / "events").is_dir():
                yield root


def _tell(file: Path, line: str) -> None:
    """Write one command; not through a Python file, which would seek first, and that the kernel refuses."""
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
    try:
        os.write(descriptor, line.encode() + b"\n")
    finally:
        os.close(descriptor)


def _why(error: OSError) -> str:
    if error.errno == errno.EEXIST:
        return "another one is there already"
    if error.errno in (errno.EINVAL, errno.ENOENT):
        return LACKING
    return error.strerror or str(error)


def _started(pid: int) -> int:
    """When a process started, in clock ticks since boot; 0 for one that is gone (proc_pid_stat(5), field 22)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    return int(text.rpartition(")")[2].split()[19])
