"""The verb, as a user has it: from recordings, without rights, with mistakes, by script and in a terminal."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from perfpath.cli import main
from perfpath.lessons import samples
from perfpath.lessons.quiz import answer_of, questions
from perfpath.lessons.scenarios import SCENARIOS

SAMPLES = str(Path(__file__).resolve().parents[2] / "samples")
COMMAND = [sys.executable, "-m", "perfpath"]


def run(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, "discover", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)


def test_the_list_names_all_scenarios(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["discover", "--list"]) == 0
    said = capsys.readouterr().out
    assert all(one.name in said and one.teaches in said for one in SCENARIOS)


def test_the_whole_lesson_from_the_samples() -> None:
    done = run("--from", SAMPLES)
    assert done.returncode == 0, done.stderr
    for step in ("1. What can be traced", "2. Everything", "3. Less", "4. The way back", "5. Which", "6. The journey"):
        assert step in done.stdout
    assert "They win" in done.stdout
    assert "-- Enter" not in done.stdout
    assert not done.stderr


def test_steps_and_scenarios_are_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["discover", "--from", SAMPLES, "container", "--step", "5"]) == 0
    said = capsys.readouterr().out
    assert "4. The way back" not in said
    assert "loopback" not in said
    assert "They don't win" in said
    assert "It fails where the four don't, as in the recorded sample bulk" in said


def test_a_proposal_is_judged(capsys: pytest.CaptureFixture[str]) -> None:
    tried = "net:net_dev_xmit,netif_receive_skb"
    assert main(["discover", "--from", SAMPLES, "container", "--step", "5", "--try", tried]) == 0
    said = capsys.readouterr().out
    assert "not exact: 2 disordered" in said
    assert "net_dev_xmit shows it after a place that came later" in said


def test_two_kernels_are_compared(capsys: pytest.CaptureFixture[str]) -> None:
    places = [f"{SAMPLES}/loopback", f"{SAMPLES}/bulk"]
    assert main(["discover", "--from", places[0], "--from", places[1]]) == 0
    assert "Recordings compared" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--from", "/nowhere"], 4, "/nowhere"),
        (["--from", SAMPLES, "--try", "net_dev_nothing"], 2, "no such event: net_dev_nothing"),
        (["--from", SAMPLES, "--event", "nothing"], 2, "no such event"),
        (["--from", SAMPLES, "nothing"], 4, "no recording"),
        (["--step", "7"], 2, "from 1 to 6"),
        (["--from", f"{SAMPLES}/bulk/note.txt"], 4, "note.txt"),
        (["lopback"], 127, "no scenario either: those are loopback"),
    ],
)
def test_mistakes_are_said_in_one_message(arguments: list[str], status: int, said: str) -> None:
    done = run(*arguments)
    assert done.returncode == status, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert "defect" not in done.stderr


def test_a_recording_without_packets_is_no_lesson(tmp_path: Path) -> None:
    file = tmp_path / "trace.txt"
    file.write_text("   ping  4017 [000]  3934.109496656: skb:kfree_skb: skbaddr=0xffff888131e4d700 location=0x1\n")
    done = run("--from", str(file))
    assert done.returncode == 4
    assert "no packet in it" in done.stderr


def test_where_nothing_can_be_built_the_lesson_comes_from_the_samples() -> None:
    """Said once, for all scenarios."""
    done = subprocess.run(
        [*COMMAND, "discover", "--step", "5"], env={"PATH": "/nowhere"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("`ip` command is missing") == 1
    assert "recorded samples are used instead" in done.stderr
    assert "They win" in done.stdout


def right_answers(count: int, seed: int = 0) -> list[str]:
    asked = questions(samples.load(), count, seed)
    return [chr(ord("a") + question.right) for question in asked]


def test_the_quiz_scores_what_is_right() -> None:
    right = right_answers(5)
    wrong = ["a" if letter != "a" else "b" for letter in right]
    best = run("--from", SAMPLES, "--quiz", "--questions", "5", stdin="\n".join(right) + "\n")
    assert best.stdout.endswith("Score: 5 of 5\n"), best.stdout
    worst = run("--from", SAMPLES, "--quiz", "--questions", "5", stdin="\n".join(wrong) + "\n")
    assert worst.stdout.endswith("Score: 0 of 5\n")
    half = run("--from", SAMPLES, "--quiz", "--questions", "5", stdin=f"what?\n{right[0].upper()}\n")
    assert half.stdout.endswith("Score: 1 of 5, 4 not answered\n")


def test_questions_have_one_right_answer_from_the_data() -> None:
    asked = questions(samples.load(), 1000, 1)
    assert len(asked) > 50
    assert {question.text for question in asked} == {
        "Where is it seen next?",
        "Which event of this packet comes next?",
    }
    for question in asked:
        assert len(set(question.choices)) == len(question.choices) > 1
        assert question.choices.count(question.choices[question.right]) == 1
        assert answer_of(f" {chr(ord('a') + question.right)} \n", question) == question.right
        assert answer_of(str(question.right + 1), question) == question.right
        assert answer_of("z", question) is None
    assert questions(samples.load(), 5, 1) == asked[:5]
    assert questions(samples.load(), 5, 2) != asked[:5]


class Terminal:
    """A tmux of its own, with one window."""

    def __init__(self, folder: Path, command: list[str]) -> None:
        self._tmux = ["tmux", "-S", str(folder / "tmux"), "-f", os.devnull]
        size = ["-x", "100", "-y", "50"]
        self._run("new-session", "-d", *size, *command)

    def _run(self, *arguments: str) -> str:
        return subprocess.run([*self._tmux, *arguments], capture_output=True, text=True, check=True).stdout

    def screen(self) -> str:
        return self._run("capture-pane", "-p")

    def press(self, *keys: str) -> None:
        self._run("send-keys", *keys)

    def wait_for(self, text: str) -> str:
        limit = time.monotonic() + 30
        while text not in (shown := self.screen()):
            assert time.monotonic() < limit, f"{text!r} isn't on the screen:\n{shown}"
        return shown

    def close(self) -> None:
        subprocess.run([*self._tmux, "kill-server"], capture_output=True, check=False)


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
def test_a_session_in_a_terminal(tmp_path: Path) -> None:
    lesson = " ".join([*COMMAND, "discover", "--from", SAMPLES, "container"])
    terminal = Terminal(tmp_path, ["sh", "-c", f"{lesson}; echo ended with $?; read line"])
    try:
        shown = terminal.wait_for("-- Enter: on to page 2; q: stop --")
        assert "netif_rx_exit" in shown
        terminal.press("Enter")
        terminal.wait_for("on to page 3")
        terminal.press("Enter")
        shown = terminal.wait_for("on to page 4")
        assert "here the reply begins" in shown
        terminal.press("Enter")
        shown = terminal.wait_for("on to page 5")
        assert "A | ^ net_dev_xmit" in shown
        terminal.press("q", "Enter")
        shown = terminal.wait_for("ended with 0")
        assert "5. Which ones to keep" not in shown
    finally:
        terminal.close()
