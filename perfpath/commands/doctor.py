"""`perfpath doctor`: what works on this machine, and what to do where something doesn't."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from perfpath.errors import EXIT_CAPTURE, EXIT_OK
from perfpath.escape import visible

if TYPE_CHECKING:
    import argparse

    from perfpath.capture.health import Finding

HELP = """Say what can be traced on this machine and what can't, and what to do about it; remove what killed runs of
perfpath left behind in the kernel. The exit status is 0 where packets can be traced, 5 where they can't."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `perfpath doctor`."""
    parser.add_argument("--perf", metavar="PATH", help="the perf to examine (default: one that runs on this kernel)")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="json is for programs")


def execute(options: argparse.Namespace) -> int:
    """Print the findings as they are made; returns the exit status."""
    from perfpath.capture.health import examined

    findings = []
    for finding in examined(options.perf):
        findings.append(finding)
        if options.format == "text":
            sys.stdout.write(line(finding))
            sys.stdout.flush()
    if options.format == "json":
        import json
        from dataclasses import asdict

        sys.stdout.write(json.dumps([asdict(finding) for finding in findings], indent=2) + "\n")
    return EXIT_CAPTURE if any(each.needed and not each.good for each in findings) else EXIT_OK


def line(finding: Finding) -> str:
    """A finding as text, with its advice below it."""
    mark = "ok" if finding.good else "NO" if finding.needed else "--"
    advice = f"{'':20}{visible(finding.advice)}\n" if finding.advice else ""
    return f"{mark}  {finding.what:16}{visible(finding.said)}\n{advice}"
