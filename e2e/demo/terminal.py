"""What the demo shows: prose, commands with their output, checks and the budget as a bar."""

import time
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime

from rich.console import Console
from rich.text import Text

_WIDTH = 100
_BAR = 50
_THRESHOLDS = {50.0: "Warning", 20.0: "Exhausted"}
_STAGES = {"Healthy": "green", "Warning": "yellow", "Exhausted": "red"}


class Terminal:
    """Prints the story, at most 100 columns wide; without colours where nobody can see them."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        if not self.console.is_terminal or self.console.width > _WIDTH:
            self.console.width = _WIDTH
        self.began = datetime.now(UTC)
        self._started = time.monotonic()
        self._chapters = 0

    @property
    def seconds(self) -> int:
        """Whole seconds since the start."""
        return int(time.monotonic() - self._started)

    @property
    def elapsed(self) -> str:
        """Minutes and seconds since the start, as `1:05`."""
        return f"{self.seconds // 60}:{self.seconds % 60:02}"

    def chapter(self, title: str) -> None:
        """A heading, with a number and the time."""
        self._chapters += 1
        text = f"── {self._chapters} · {title} "
        line = text + "─" * (self.console.width - len(text) - len(self.elapsed) - 4)
        self.console.print()
        self.console.print(Text(f"{line} {self.elapsed} ─", style="bold cyan"))

    def say(self, text: str) -> None:
        """Prose, between blank lines."""
        self.console.print()
        self._wrapped(Text(text), indent=0)

    def command(self, text: str) -> None:
        """A command, as it is typed."""
        self.console.print()
        self._indented(Text.assemble(("$ ", "bold green"), (text, "bold")))

    def output(self, text: str) -> None:
        """What a command printed; long lines are wrapped between words."""
        for line in text.rstrip("\n").splitlines():
            shown = Text(line)
            shown.highlight_regex(r"^error:|is forbidden(?=:)", "bold red")
            shown.highlight_regex(r"FROZEN by ErrorBudgetPolicy \S+(?=:)", "bold red")
            shown.highlight_regex(r"^Warning:", "bold yellow")
            shown.highlight_regex(r"\bExhausted\b|\bDeny\b|\bCritical\b", "red")
            self._indented(shown)

    def checked(self, what: str) -> None:
        """A check that held."""
        self._indented(Text.assemble(("✓ ", "bold green"), (what, "green")))

    def working(self, what: str) -> AbstractContextManager[object]:
        """Say that something takes a moment; where it can be, only for as long as it does."""
        if self.console.record:
            return nullcontext()  # a picture shows what came of it
        if self.console.is_terminal:
            return self.console.status(f"{self.elapsed}  {what} ...")
        self._indented(Text(f"{self.elapsed}  {what} ..."))
        return nullcontext()

    def blank(self) -> None:
        """A blank line."""
        self.console.print()

    def budget(self, remaining: float, stage: str) -> None:
        """What is left of a budget, in percent, and the policy's stage."""
        colour = _STAGES.get(stage, "default")
        filled = round(min(max(remaining, 0.0), 100.0) / 100 * _BAR)
        bar = Text(f"{self.elapsed}  ", style="dim")
        bar.append("█" * filled, style=f"not dim {colour}")
        marks = {round(threshold / 100 * _BAR) for threshold in _THRESHOLDS}
        rest = "".join("┊" if place in marks else "·" for place in range(filled, _BAR))
        bar.append(rest)
        bar.append(f"  {remaining:5.1f} % left  {stage}", style=f"not dim {colour}")
        self._indented(bar)

    def last(self, text: str, *, good: bool) -> None:
        """The verdict."""
        self.console.print()
        self.console.print(Text(text, style="bold green" if good else "bold red"))

    def _indented(self, text: Text) -> None:
        self._wrapped(text, indent=2)

    def _wrapped(self, text: Text, *, indent: int) -> None:
        # Not left to the console, which fills wrapped lines up with spaces.
        for line in text.wrap(self.console, self.console.width - indent):
            line.rstrip()
            self.console.print(Text(" " * indent).append_text(line))
