import pytest
from typer.testing import CliRunner

from sluice.cli.main import app

runner = CliRunner()


@pytest.mark.parametrize("by_variable", [False, True])
@pytest.mark.parametrize(
    "url",
    [
        "http//user:s3cret@prom:9090",
        "https://user:s3cret@prom:9090x",
        "http:/user:s3cret@prom:9090",
    ],
)
@pytest.mark.parametrize(
    ("arguments", "flag"),
    [(["run"], "--prometheus-url"), (["check", "-f", "objectives.yaml"], "--prometheus")],
)
def test_a_url_that_cannot_be_read_is_refused_without_its_password(
    arguments: list[str], flag: str, url: str, by_variable: bool
) -> None:
    given = [] if by_variable else [flag, url]
    env = {"SLUICE_PROMETHEUS_URL": url if by_variable else ""}
    result = runner.invoke(app, [*arguments, *given], env=env)
    assert result.exit_code in {1, 2}
    assert f"{flag}: " in result.output
    assert "write it as" in result.output
    assert "s3cret" not in result.output
    assert "user" not in result.output


def test_any_other_setting_that_cannot_be_is_shown() -> None:
    result = runner.invoke(app, ["run", "--interval", "0"])
    assert result.exit_code == 1
    assert result.output == (
        "sluice run: --interval '0': Input should be greater than or equal to 1\n"
    )
