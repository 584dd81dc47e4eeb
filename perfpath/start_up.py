"""What is done before the first table is made."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

BLAS_THREADS = "OPENBLAS_NUM_THREADS"
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3  # glibc's malloc.h


def import_numpy() -> None:
    """Import numpy without the worker threads of its BLAS: nothing here multiplies matrices, and they spin at start.

    Halves the import's CPU time. The environment is as before afterwards: it is the traced command's too.
    """
    _keep_freed_memory()
    if "numpy" in sys.modules or BLAS_THREADS in os.environ:
        return
    os.environ[BLAS_THREADS] = "1"
    try:
        import numpy as np  # noqa: F401
    finally:
        del os.environ[BLAS_THREADS]


def _keep_freed_memory() -> None:
    """Have malloc keep what is freed instead of giving it back: the next column of a million rows is taken from it.

    Each page that comes new from the kernel is a fault, and these took a quarter of the time (mallopt(3), glibc).
    """
    if (mallopt := _of_malloc("mallopt")) is not None:
        mallopt(M_MMAP_THRESHOLD, 1 << 30)
        mallopt(M_TRIM_THRESHOLD, -1)
        mallopt(M_TOP_PAD, 64 << 20)


def give_back() -> None:
    """Give the system back what is free (malloc_trim(3), glibc); takes a few milliseconds.

    Batches of all sizes leave holes between them, and what is always kept grows as long as packets come.
    """
    if (trim := _of_malloc("malloc_trim")) is not None:
        trim(0)


def _of_malloc(name: str) -> Callable[..., Any] | None:
    """A function of the C library's malloc, None where it has no such."""
    if not sys.platform.startswith("linux"):
        return None
    import ctypes

    return getattr(ctypes.CDLL(None), name, None)
