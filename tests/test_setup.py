"""What stands between a stranger and a running Newsroom: the environment's scripts and files."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent


def make_environment(folder: Path, python: str) -> subprocess.CompletedProcess[str]:
    """Run the script with a stand-in for Python, and without uv."""
    stand_in = folder / "python-stand-in"
    stand_in.write_text(f"#!/bin/sh\n{python}\n")
    stand_in.chmod(0o755)
    environ = os.environ | {"PYTHON": str(stand_in), "PATH": "/usr/bin:/bin"}
    script = PROJECT / "tools" / "make-environment"
    return subprocess.run([script], cwd=folder, env=environ, capture_output=True, text=True)


def test_a_missing_venv_is_said_with_the_package_to_install(tmp_path: Path) -> None:
    ended = make_environment(tmp_path, f'case "$*" in *ensurepip*) exit 1;; esac; exec {sys.executable} "$@"')
    assert ended.returncode == 1
    assert "apt install python3-venv" in ended.stderr


def test_a_python_that_is_too_old_is_said_with_its_version(tmp_path: Path) -> None:
    ended = make_environment(tmp_path, 'case "$*" in *version_info*) exit 1;; -V) echo Python 3.9.2;; esac')
    assert ended.returncode == 1
    assert "3.11 or newer" in ended.stderr
    assert "3.9.2" in ended.stderr


@pytest.mark.parametrize("name", ["build", "run", "postgres", "test"])
def test_every_requirement_has_a_hash_and_no_file_names_an_index(name: str) -> None:
    text = (PROJECT / "requirements" / f"{name}.txt").read_text()
    assert not re.search(r"https?:|file:|--index|--find-links", text)
    requirements = re.split(r"\n(?=\S)", text.strip())
    assert requirements
    for requirement in requirements:
        assert "==" in requirement
        assert "--hash=sha256:" in requirement


def test_the_vendored_files_are_the_ones_in_the_manifest() -> None:
    subprocess.run([sys.executable, PROJECT / "tools" / "vendor.py", "--check"], check=True)


def test_in_ci_a_missing_service_is_a_failure_and_not_a_skip() -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST")}
    environ |= {"CI": "true", "NEWSROOM_TEST_POSTGRES_URL": "postgresql+psycopg://nobody@127.0.0.1:9/none"}
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--collect-only", "tests/test_setup.py"],
        cwd=PROJECT,
        env=environ,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 1
    assert "CI needs PostgreSQL" in ended.stdout + ended.stderr


@pytest.mark.xdist_group("setup")
def test_tests_that_belong_together_share_a_worker(request: pytest.FixtureRequest, worker_id: str) -> None:
    """Pytest-xdist tells the worker by the end of a test's name; a pytest that it doesn't know well loses that."""
    assert worker_id == "master" or request.node.nodeid.endswith("@setup")
