"""State files of container runtimes: read with care, since anybody may own those of rootless runtimes."""

# Start-up needs no pathlib:

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from perfpath.diagnostics import Diagnostics

STATE_LIMIT = 4 << 20  # bytes; a container's state is some 5 kB
LABELS = (  # of a pod's namespace and name: kubelet's, then containerd's
    ("io.kubernetes.pod.namespace", "io.kubernetes.pod.name"),
    ("io.kubernetes.cri.sandbox-namespace", "io.kubernetes.cri.sandbox-name"),
)


class StateFiles:
    """Reads JSON; what can't be read is noted."""

    def __init__(self, diagnostics: Diagnostics) -> None:
        self.diagnostics = diagnostics

    def load(self, path: str) -> Any:
        """The JSON there, None where there is none; a broken file is noted."""
        try:
            with open(path, "rb", opener=_plain) as file:
                return json.loads(file.read(STATE_LIMIT))
        except (FileNotFoundError, NotADirectoryError, ProcessLookupError):
            return None
        except (OSError, ValueError, RecursionError) as error:
            self.diagnostics.note(
                "container-state",
                "state files of container runtimes that can't be read: containers are shown by id or process",
                severity="info",
                example=f"{path}: {error}",
            )
            return None


def at(value: Any, *keys: str) -> Any:
    """What is at this path of nested objects, None where anything on the way is something else."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def text(value: Any, key: str) -> str:
    """The string there, "" for none."""
    found = at(value, key)
    return found if isinstance(found, str) else ""


def pod(labels: Any) -> str:
    """`namespace/pod`, "" where the labels or annotations name none."""
    for namespace, name in LABELS:
        if text(labels, name):
            return f"{text(labels, namespace) or 'default'}/{text(labels, name)}"
    return ""


def _plain(path: str, flags: int) -> int:
    """Open a regular file; at a FIFO that somebody put there one would wait for ever. Raises OSError."""
    descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError("no regular file")
    return descriptor
