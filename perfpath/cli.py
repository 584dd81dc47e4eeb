"""The front door: which verb, and what an error ends with.

`perfpath VERB ...` runs one of the verbs below; anything else is a command to trace, as `strace` has it.
This module alone turns errors into exit statuses. It imports nothing heavy: `perfpath --version` must be instant.
"""

from __future__ import annotations

import argparse
import errno
import importlib
import os
import sys
from typing import TYPE_CHECKING, NoReturn

from perfpath import __version__
from perfpath.commands.options import joined
from perfpath.errors import EXIT_DEFECT, EXIT_OUTPUT, EXIT_USAGE, CommandNotFoundError, PerfpathError
from perfpath.escape import visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from _typeshed import SupportsWrite

VERBS = {
    "run": "trace a command (what `perfpath COMMAND` does; needed where COMMAND is called like a verb)",
    "demo": "build a small lab of namespaces, ping through it, show the way the packets went",
    "record": "trace now, analyse later: keep what perf saw, with the topology, in a directory",
    "report": "the journeys in a saved recording: perf.data, perf script or perf trace text, ftrace, trace-cmd",
    "export": "the packets of a recording as a file for Wireshark, each with its interface and its journey",
    "top": "a screen that follows the packets: hops, loss and latency, as mtr has them",
    "discover": "find the tracepoints yourself: the lesson behind all this, on your own kernel or from recordings",
    "explain": "what a drop reason of the kernel means, and what to look at next",
    "doctor": "what can be traced on this machine, and what to do where something can't",
    "topology": "network namespaces, their interfaces, and where each link leads",
}
"""Verb -> what it does; each is a module of `perfpath.commands`."""

USAGE = """perfpath [OPTIONS] COMMAND [ARGS...]    trace a command
       perfpath -a [OPTIONS] [COMMAND ...]     trace the whole system, until COMMAND ends or Ctrl-C
       perfpath VERB [OPTIONS] ...             {verbs}"""

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""What a write fails with where the user's disk or quota is the reason, not perfpath."""


class _Parser(argparse.ArgumentParser):
    """Its complaints quote what was typed, which a file's name may have come into."""

    def error(self, message: str) -> NoReturn:
        super().error(_shown(message))

    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        (file or sys.stderr).write(message)  # argparse's own passes over a disk that is full


def main(argv: Sequence[str] | None = None) -> int:
    """Run perfpath; returns its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    _stand_in()
    try:
        status = _run(arguments)
        sys.stdout.flush()
    except PerfpathError as error:
        if "--traceback" in arguments:
            raise
        sys.stderr.write(f"perfpath: {_shown(str(error))}\n")
        return error.status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        _detach_stdout()
        return 141
    except Exception as error:
        if "--traceback" in arguments:
            raise
        if isinstance(error, OSError) and error.errno in FULL:
            sys.stderr.write(f"perfpath: can't write: {error.strerror}; what was written may be cut short\n")
            _detach_stdout()
            return EXIT_OUTPUT
        sys.stderr.write(
            f"perfpath: this is a defect of perfpath, please report it: {type(error).__name__}: {error}\n"
            "          (the same command with --traceback shows where)\n"
        )
        return EXIT_DEFECT
    return status


def _run(arguments: list[str]) -> int:
    if arguments in (["--version"], ["-V"]):
        sys.stdout.write(f"perfpath {__version__}\n")
        return 0
    verb = arguments[0] if arguments and arguments[0] in VERBS else None
    module = importlib.import_module(f"perfpath.commands.{verb or 'run'}")
    parser = _Parser(
        prog=f"perfpath {verb}" if verb else "perfpath",
        usage=None if verb else USAGE.format(verbs=" | ".join(VERBS)),
        description=module.HELP,
        epilog=None if verb else _verbs(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--traceback", action="store_true", help="on an error, show where in perfpath it was raised")
    if verb is None:
        parser.add_argument("-V", "--version", action="version", version=f"perfpath {__version__}")
    module.configure(parser)
    try:
        options = parser.parse_args(joined(arguments[1:] if verb else arguments))
    finally:
        sys.stdout.flush()  # --help ends here, and may not have been written
    if verb is None and not arguments:
        parser.print_help(sys.stderr)
        return EXIT_USAGE
    try:
        status = module.execute(options)
    except CommandNotFoundError as error:
        if verb is None and (name := options.command[0]) in VERBS:  # it stands behind options
            raise CommandNotFoundError(f"{error}; a verb stands before its options: perfpath {name} ...") from None
        raise
    assert isinstance(status, int)  # noqa: S101 - what every command module promises
    return status


def _verbs() -> str:
    width = max(map(len, VERBS))
    return "verbs:\n" + "\n".join(f"  {verb:{width}}  {text}" for verb, text in VERBS.items())


def _shown(message: str) -> str:
    """A message of several lines, perhaps, with nothing in it that a terminal would obey."""
    return "\n".join(visible(line) for line in message.split("\n"))


def _stand_in() -> None:
    """Who closed our output doesn't want it: it goes to /dev/null, and no file we open gets that number."""
    for number, name in ((1, "stdout"), (2, "stderr")):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, os.O_WRONLY)
            if null != number:
                os.dup2(null, number)
                os.close(null)
            setattr(sys, name, os.fdopen(number, "w", encoding="utf-8", closefd=False))


def _detach_stdout() -> None:
    """Whoever read our output is gone: keep the interpreter from complaining when it flushes at exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
