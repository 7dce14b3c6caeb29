"""`sluice gate`: what is wrong with its command line, in words."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sluice.cli.main import app


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--listen", "here"], "sluice gate: --listen 'here': "),
        (["--requests-per-second", "0"], "sluice gate: --requests-per-second '0': "),
        (["--tls-cert", "tls.crt"], "sluice gate: --tls-cert and --tls-key belong together"),
    ],
)
def test_a_wrong_flag_is_told_by_name(arguments: list[str], says: str) -> None:
    result = CliRunner().invoke(app, ["gate", *arguments])
    assert result.exit_code == 1
    assert says in result.output


def test_a_certificate_that_is_not_there_is_told(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
        "clusters: [{name: k, cluster: {server: 'http://127.0.0.1:1'}}]\n"
        "contexts: [{name: c, context: {cluster: k, user: u}}]\n"
        "users: [{name: u, user: {}}]\n"
    )
    pair = ("--tls-cert", str(tmp_path / "tls.crt"), "--tls-key", str(tmp_path / "tls.key"))
    # In a process of its own: it sets up the logs of whichever it runs in.
    command = [sys.executable, "-m", "sluice", "gate", "--kubeconfig", str(kubeconfig), *pair]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith("sluice gate: ")
    assert "tls.crt" in result.stderr
