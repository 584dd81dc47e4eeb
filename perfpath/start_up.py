"""What is done before the first table is made."""

from __future__ import annotations

import os
import sys

BLAS_THREADS = "OPENBLAS_NUM_THREADS"


def import_numpy() -> None:
    """Import numpy without the worker threads of its BLAS: nothing here multiplies matrices, and they spin at start.

    Halves the import's CPU time. The environment is as before afterwards: it is the traced command's too.
    """
    if "numpy" in sys.modules or BLAS_THREADS in os.environ:
        return
    os.environ[BLAS_THREADS] = "1"
    try:
        import numpy as np  # noqa: F401
    finally:
        del os.environ[BLAS_THREADS]
