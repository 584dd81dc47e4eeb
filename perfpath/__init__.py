"""perfpath: which way did my packet go through this host?

>>> import perfpath
>>> trace = perfpath.read("perf.data")      # doctest: +SKIP
>>> trace.hops[["dev", "netns_name"]]       # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from perfpath.trace import Trace, read

__all__ = ["Trace", "__version__", "read"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import the API when it is asked for: `perfpath --version` needs none of it."""
    if name in ("read", "Trace"):
        from perfpath import trace

        return getattr(trace, name)
    raise AttributeError(f"module 'perfpath' has no attribute {name!r}")
