"""That the demo cannot pass by mistake, and how it looks. That it passes, `make demo` shows."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from e2e.demo import __main__ as demo
from e2e.demo.recording import picture
from e2e.demo.session import Session, Surprise
from e2e.demo.setup import _saver
from e2e.demo.terminal import Terminal
from e2e.harness import ControlPlane, Kubectl, Shop
from e2e.harness.shop import Load
from e2e.stack import Controller, Stack


@pytest.fixture
def shown() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def session(tmp_path: Path, shown: io.StringIO) -> Session:
    """A session whose kubectl is a shell script; nothing else of it is used."""
    program = tmp_path / "kubectl"
    program.write_text('#!/bin/sh\necho "said: $*"\nexit 3\n')
    program.chmod(0o755)
    kubectl = Kubectl(program=program, kubeconfig=tmp_path / "config", cache=tmp_path)
    unused: Any = None
    plane = ControlPlane("fake", kubectl.kubeconfig, "", tmp_path, "run", True, kubectl)
    stack = Stack(plane, unused, [], unused, kubectl.kubeconfig)
    terminal = Terminal(Console(file=shown, highlight=False))
    return Session(stack, Shop(Load()), Controller(unused, 0), terminal)


def test_a_command_is_shown_with_what_it_printed(session: Session, shown: io.StringIO) -> None:
    said = session.run("kubectl get 'two words'", code=3)
    assert said == "said: get two words\n"
    assert shown.getvalue() == "\n  $ kubectl get 'two words'\n  said: get two words\n"


def test_an_exit_code_that_was_not_expected_is_a_surprise(session: Session) -> None:
    with pytest.raises(Surprise, match="`kubectl get slo` ended with code 3, not 0"):
        session.run("kubectl get slo")


def test_a_check_that_does_not_hold_is_a_surprise_and_is_not_ticked_off(
    session: Session, shown: io.StringIO
) -> None:
    with pytest.raises(Surprise, match="not true: the sky is green"):
        session.check("the sky is green", holds=False)
    assert "✓" not in shown.getvalue()


def test_long_lines_are_wrapped_between_words_at_100_columns(shown: io.StringIO) -> None:
    terminal = Terminal(Console(file=shown, highlight=False, width=300))
    terminal.output(" ".join(["FROZEN by ErrorBudgetPolicy shop/default: SLO"] * 20))
    terminal.say("word " * 100)
    lines = shown.getvalue().splitlines()
    assert max(map(len, lines)) <= 100
    assert all(line == line.rstrip() for line in lines)
    assert shown.getvalue().split().count("SLO") == 20


@pytest.mark.parametrize(
    ("remaining", "filled"), [(100.0, 50), (49.0, 24), (0.0, 0), (-250.0, 0), (120.0, 50)]
)
def test_the_bar_is_as_long_as_the_budget_that_is_left(
    shown: io.StringIO, remaining: float, filled: int
) -> None:
    Terminal(Console(file=shown, highlight=False)).budget(remaining, "Warning")
    assert shown.getvalue().count("█") == filled
    assert f"{remaining:.1f} % left  Warning" in shown.getvalue()


def _told(monkeypatch: pytest.MonkeyPatch, error: BaseException | None) -> int:
    """The exit code of a demo that has nothing to set up, and whose story ends with `error`."""

    @contextmanager
    def nothing(_: Terminal, **__: object) -> Iterator[None]:
        yield

    def tell(*_: object, **__: object) -> None:
        if error is not None:
            raise error

    monkeypatch.setattr(demo, "session", nothing)
    monkeypatch.setattr(demo, "tell", tell)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    return demo.main([])


def test_a_story_without_a_surprise_has_passed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _told(monkeypatch, None) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "DEMO PASSED"


@pytest.mark.parametrize(
    ("error", "code", "last"),
    [
        (Surprise("it rained"), 1, "DEMO FAILED: it rained"),
        (TimeoutError("thaw: not within 5 s"), 1, "DEMO FAILED: thaw: not within 5 s"),
        (KeyError("status"), 1, "DEMO FAILED: KeyError('status')"),
        (KeyboardInterrupt(), 130, "Stopped; everything is taken down."),
    ],
)
def test_any_surprise_is_a_failed_demo(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    last: str,
) -> None:
    assert _told(monkeypatch, error) == code
    shown = capsys.readouterr().out
    assert shown.splitlines()[-1] == last
    assert "DEMO PASSED" not in shown


@pytest.mark.parametrize(
    ("error", "kept"), [(Surprise, True), (KeyboardInterrupt, False), (None, False)]
)
def test_logs_are_kept_after_an_error_only(
    tmp_path: Path, error: type[BaseException] | None, kept: bool
) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "sluice.log").write_text("why\n")
    _saver(logs, tmp_path / "kept")(error, None, None)
    assert (tmp_path / "kept" / "sluice.log").exists() is kept


def test_a_picture_shows_what_was_printed_in_its_frame_and_loads_nothing(tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), record=True, width=100, highlight=False)
    console.print("before")
    with picture(console, tmp_path / "images" / "demo.svg"):
        console.print("FROZEN")
    svg = (tmp_path / "images" / "demo.svg").read_text()
    assert ">FROZEN<" in svg
    assert "before" not in svg
    assert "url(http" not in svg
    assert "@font-face" not in svg
