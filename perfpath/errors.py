"""The errors a user can meet, and the exit status each one ends with.

Every message says what happened, where, and what to do next. Only `cli.py` turns an error into an exit status;
everything else raises. An exception that is not a `PerfpathError` is a defect of perfpath.
"""

EXIT_OK = 0
EXIT_DEFECT = 1  # an exception of ours that should not happen; --traceback shows it
EXIT_USAGE = 2  # argparse's own status for a wrong command line
EXIT_INCOMPLETE = 3  # --strict, and something was lost or not understood
EXIT_INPUT = 4  # a recording or an inventory that can't be read
EXIT_CAPTURE = 5  # tracing isn't possible here: rights, perf, the kernel
EXIT_OUTPUT = 6  # the result can't be written
EXIT_INVENTORY = 7  # namespaces or interfaces can't be read
EXIT_NOT_EXECUTABLE = 126  # as the shell has it
EXIT_NOT_FOUND = 127


class PerfpathError(Exception):
    """What every error of perfpath is; `str(error)` is the whole message for the user."""

    status = EXIT_DEFECT


class UsageError(PerfpathError):
    """Options that contradict each other, or that this input can't serve."""

    status = EXIT_USAGE


class InputError(PerfpathError):
    """A recording can't be read: it says the path and the byte offset or line, and what was expected there."""

    status = EXIT_INPUT


class CaptureError(PerfpathError):
    """Tracing can't start or can't go on."""

    status = EXIT_CAPTURE


class OutputError(PerfpathError):
    """A result can't be written where the user wants it."""

    status = EXIT_OUTPUT


class InventoryError(PerfpathError):
    """Namespaces or interfaces can't be read, or a saved inventory is not one."""

    status = EXIT_INVENTORY


class CommandNotFoundError(CaptureError):
    """The traced command doesn't exist."""

    status = EXIT_NOT_FOUND


class CommandNotExecutableError(CaptureError):
    """The traced command exists and may not be run."""

    status = EXIT_NOT_EXECUTABLE
