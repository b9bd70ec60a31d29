"""In CI a skipped test fails the run and is named; elsewhere it does not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def suite(tmp_path):
    (tmp_path / "test_one.py").write_text("import pytest\n\ndef test_left_out():\n    pytest.skip('no data')\n")
    return tmp_path


def outcome(folder, **variables):
    # The suite's own rules, applied to a folder outside it.
    command = [sys.executable, "-m", "pytest", "-q", "-p", "conftest", "-p", "no:cacheprovider", "-n", "0"]
    env = {"PATH": os.environ["PATH"], **variables}
    return subprocess.run(
        [*command, "-c", "pyproject.toml", "--rootdir", str(ROOT), str(folder)],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.requirement("OPS-09")
def test_a_skip_fails_in_ci(suite):
    answer = outcome(suite, CI="true")
    assert answer.returncode == 1
    assert "test_one.py::test_left_out" in answer.stdout


def test_a_skip_is_allowed_elsewhere(suite):
    assert outcome(suite).returncode == 0
