"""Questions of the quiz, and what the answers were worth, in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from perfpath.escape import visible
from perfpath.render.lesson import STYLES

if TYPE_CHECKING:
    from rich.console import Console

    from perfpath.lessons.quiz import Question


def ask(question: Question, number: int, total: int, screen: Console) -> None:
    """Print a question and its choices."""
    screen.rule(Text(f" Question {number} of {total}: {visible(question.scenario)} ", "bold"), align="left")
    for line in question.known:
        screen.print(Text(f"  {visible(line)}", STYLES["name"]))
    screen.print(Text(visible(question.text), "bold"))
    for at, choice in enumerate(question.choices):
        screen.print(Text(f"  {chr(ord('a') + at)}) {visible(choice)}"))


def judged(question: Question, answer: int, screen: Console) -> None:
    """Print whether an answer was right, and why."""
    if answer == question.right:
        screen.print(Text("Right: ", STYLES["good"]) + Text(visible(question.why)))
    else:
        right = f"{chr(ord('a') + question.right)}) {question.choices[question.right]}"
        screen.print(Text(f"No: {visible(right)}. ", STYLES["bad"]) + Text(visible(question.why)))
    screen.print()


def score(right: int, answered: int, total: int, screen: Console) -> None:
    """Print the score."""
    left = f", {total - answered} not answered" if answered < total else ""
    screen.print(Text(f"Score: {right} of {total}{left}", "bold"))
