"""What the README shows is what perfpath prints."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"<!-- output: perfpath (.*?) -->\n```\n(.*?)```\n", README, re.DOTALL)


@pytest.mark.parametrize(("command", "output"), SHOWN)
def test_output_in_the_readme_is_real(command: str, output: str) -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("perfpath")), *command.split()],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
    )
    assert done.stdout == output


def test_something_is_shown() -> None:
    assert SHOWN


def test_every_verb_and_exit_status_is_documented() -> None:
    from perfpath import errors
    from perfpath.cli import VERBS

    for verb in VERBS:
        assert re.search(rf"perfpath {verb}\b", README), verb
    for name in dir(errors):
        if name.startswith("EXIT_"):
            assert re.search(rf"^\| .*\b{getattr(errors, name)}\b.* \|", README, re.MULTILINE), name


def test_the_python_example_runs() -> None:
    example = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert example
    code = example[1].replace('"perf.data"', repr(str(ROOT / "samples" / "demo")))
    subprocess.run([sys.executable, "-P", "-c", code], check=True)
