"""The commands of the two engines: each says in one line where it is the wrong one."""

from pathlib import Path

import pytest
from flask import Flask

from newsroom import create_app
from tests.conftest import settings


@pytest.fixture
def cluster(tmp_path: Path) -> Flask:
    return create_app(settings(tmp_path, ENGINE="cluster", BROKER_URL="redis://127.0.0.1:6379/0"))


def test_the_engine_alone_is_refused_where_the_engine_is_a_cluster(cluster: Flask) -> None:
    done = cluster.test_cli_runner().invoke(args=["engine", "run"])
    assert done.exit_code == 1
    assert done.output.startswith("Error: The engine here is a cluster (NEWSROOM_ENGINE): run newsroom beat, ")
    assert len(done.output.splitlines()) == 1


@pytest.mark.parametrize("command", ["worker", "beat"])
def test_a_worker_and_a_beat_are_refused_where_the_engine_is_embedded(tmp_path: Path, command: str) -> None:
    done = create_app(settings(tmp_path)).test_cli_runner().invoke(args=[command])
    assert done.exit_code == 1
    assert done.output == (
        "Error: The engine here is embedded, and `newsroom up` runs it; expected NEWSROOM_ENGINE=cluster.\n"
    )
