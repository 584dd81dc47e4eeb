"""What the front door does where the output is no good, and with what was typed into a message."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from perfpath.cli import main

SAMPLES = Path(__file__).resolve().parents[1] / "samples"
HOSTILE = "no\x1b[31msuch"


def shell(line: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run perfpath as a shell does that redirects; "$@" in the line is `python -m perfpath WORDS`."""
    argv = ["sh", "-c", line, "sh", sys.executable, "-P", "-m", "perfpath", *words]
    return subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize(
    "words",
    [
        ("--version",),
        ("--help",),
        ("report", "--help"),
        ("explain",),
        ("explain", "NETFILTER_DROP"),
        ("discover", "--list"),
        ("discover", "--from", str(SAMPLES / "loopback"), "--format", "html", "-o", "-"),
        ("export", "-o", "-", str(SAMPLES / "demo")),
    ],
)
@pytest.mark.parametrize("buffered", ["", "1"])
def test_a_full_disk_is_no_defect(words: tuple[str, ...], buffered: str) -> None:
    done = shell(f'PYTHONUNBUFFERED={buffered} exec "$@" >/dev/full', *words)
    assert done.returncode == 6
    assert "No space left on device" in done.stderr
    assert "defect" not in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize("words", [("--version",), ("explain",), ("report", str(SAMPLES / "demo"))])
def test_a_closed_output_is_nobody_who_reads(words: tuple[str, ...]) -> None:
    done = shell('exec "$@" >&-', *words)
    assert done.returncode == 0
    assert "defect" not in done.stderr
    assert "Traceback" not in done.stderr


def test_closed_errors_change_no_result() -> None:
    words = ("report", "--format", "summary", str(SAMPLES / "demo"))
    plain, closed = shell('exec "$@"', *words), shell('exec "$@" 2>&-', *words)
    assert (closed.returncode, closed.stdout) == (0, plain.stdout)
    assert shell('exec "$@" 2>&-', "report", "nowhere-to-be-found").returncode == 4


def test_a_file_written_with_everything_closed_is_whole(tmp_path: Path) -> None:
    words = ("report", "--format", "jsonl", str(SAMPLES / "demo"), "-o")
    assert shell('exec "$@"', *words, str(tmp_path / "plain")).returncode == 0
    assert shell('exec "$@" <&- >&- 2>&-', *words, str(tmp_path / "closed")).returncode == 0
    assert (tmp_path / "closed").read_bytes() == (tmp_path / "plain").read_bytes()


@pytest.mark.parametrize(
    "words",
    [
        ("report", HOSTILE),
        ("report", "--match", HOSTILE, str(SAMPLES / "demo")),
        ("report", "--flow", HOSTILE, str(SAMPLES / "demo")),
        ("report", f"--{HOSTILE}", str(SAMPLES / "demo")),
        ("discover", "--from", HOSTILE),
    ],
)
def test_no_message_hands_on_an_escape_sequence(capsys: pytest.CaptureFixture[str], words: tuple[str, ...]) -> None:
    try:
        status: object = main(list(words))
    except SystemExit as left:
        status = left.code  # argparse's own
    assert status in (2, 4)
    err = capsys.readouterr().err
    assert "\x1b" not in err
    assert "no\\x1b[31msuch" in err


def test_an_error_of_several_lines_stays_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "--match", "icmp annd", str(SAMPLES / "demo")]) == 2
    assert capsys.readouterr().err.splitlines()[1:] == ["  icmp annd", "       ^"]


@pytest.mark.parametrize(
    ("option", "value"), [("--host", "nope"), ("--net", "x"), ("--port", "nope"), ("--flow", "1-2")]
)
def test_what_is_wrong_with_a_filter_is_said_in_its_own_words(option: str, value: str) -> None:
    done = shell('exec "$@"', "report", option, value, str(SAMPLES / "demo"))
    assert done.returncode == 2
    assert done.stderr.startswith(f"perfpath: {option} {value}: expected ")
    assert "--match" not in done.stderr


def test_a_demo_that_can_not_trace_builds_nothing() -> None:
    done = shell('PERFPATH_PERF=/nope exec "$@"', "demo")
    assert done.returncode == 0
    assert "/nope: named as the perf to use" in done.stderr
    assert "built a lab" not in done.stderr
    assert "4 packets, 12 hops" in done.stdout


@pytest.mark.perf
def test_a_verb_behind_options_is_told_where_verbs_stand() -> None:
    done = shell('exec "$@"', "-v", "explain", "NETFILTER_DROP")
    assert done.returncode == 127
    assert (
        done.stderr
        == "perfpath: explain: no such command on PATH; a verb stands before its options: perfpath explain ...\n"
    )


def test_an_interrupt_while_it_is_still_being_loaded_ends_it_without_a_word() -> None:
    code = (
        "import os, signal, sys\n"
        "class Hook:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'perfpath.cli': os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Hook())\n"
        "import perfpath.__main__\n"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")
