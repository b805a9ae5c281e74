"""Killing the server ends its models; the next one finds what got away."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hearth.cog.build import Environments
from hearth.runtime import litter, processes
from hearth.runtime.process import ProcessRuntime

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

CACHE = Path(os.environ.get("HEARTH_TEST_CACHE") or Path.home() / ".cache" / "hearth-tests") / "environments"
SERVER = Path(__file__).with_name("server.py")
PUSHER = Path(__file__).with_name("pusher.py")

HOLDS_THE_GIL = """
    from typing import Iterator
    class Predictor:
        def run(self) -> Iterator[list]:
            yield []
            sum(range(10**12))
"""
HAS_CHILDREN = """
    import subprocess, time
    from typing import Iterator
    class Predictor:
        def run(self) -> Iterator[list]:
            quiet = dict(stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            deaf = subprocess.Popen(["/bin/sh", "-c", "trap '' TERM HUP; sleep 600"], **quiet)
            away = subprocess.Popen(["sleep", "600"], start_new_session=True, **quiet)
            yield [deaf.pid, away.pid]
            time.sleep(600)
"""


def folder(path: Path, code: str) -> Path:
    path.mkdir()
    (path / "cog.yaml").write_text('build:\n  python_version: "3.11"\nrun: "predict.py:Predictor"\n')
    (path / "predict.py").write_text(textwrap.dedent(code))
    return path


def wait_for_the_end_of(pids: list[int], seconds: float) -> list[int]:
    """Those that still live then."""
    until = time.monotonic() + seconds
    left = []
    for pid in pids:
        try:
            fd = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        if not poll.poll(max(0.0, until - time.monotonic()) * 1000):
            left.append(pid)
        os.close(fd)
    return left


BUILDS_FOR_EVER = {
    "cog.yaml": """
        build:
          python_version: "3.11"
          run: ["echo building on and on; sleep 600"]
        run: "predict.py:Predictor"
    """,
    "predict.py": "class Predictor: ...",
}
IMPORTS_FOR_EVER = {
    "cog.yaml": 'build:\n  python_version: "3.11"\nrun: "predict.py:Predictor"\n',
    "predict.py": """
        import time
        print("building on and on")
        time.sleep(600)
    """,
}


def push_and_kill(root: Path, source: Path) -> None:
    arguments = [sys.executable, PUSHER, root, root / "environments", source]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "building on and on\n" in iter(process.stdout.readline, "")
        process.kill()


@pytest.mark.parametrize("files", [BUILDS_FOR_EVER, IMPORTS_FOR_EVER], ids=["run step", "import"])
async def test_a_build_that_a_killed_server_left_is_ended_by_sweep(files: dict[str, str], tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name, text in files.items():
        (source / name).write_text(textwrap.dedent(text))
    push_and_kill(tmp_path, source)
    environments = Environments(tmp_path / "environments", environ=os.environ)
    assert await ProcessRuntime(tmp_path / "other", environments, environ=os.environ).sweep() == 0
    runtime = ProcessRuntime(tmp_path / "runtime", environments, environ=os.environ)
    assert await runtime.sweep() >= 1
    assert await runtime.sweep() == 0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], list[dict[str, object]]]]:
    models = [folder(tmp_path / "gil", HOLDS_THE_GIL), folder(tmp_path / "children", HAS_CHILDREN)]
    process = subprocess.Popen([sys.executable, SERVER, tmp_path, CACHE, *models], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        if line == "ready\n":
            break
        said.append(json.loads(line))
    assert len(said) == 2
    yield process, said
    process.kill()
    process.wait()
    process.stdout.close()


async def test_kill_9_of_the_server_ends_every_process_of_its_groups_and_sweep_the_rest(
    server: tuple[subprocess.Popen[str], list[dict[str, object]]], tmp_path: Path
) -> None:
    process, said = server
    (deaf, away) = said[1]["said"]  # type: ignore[misc]
    groups = {instance["pid"] for instance in said}
    members = [p.pid for p in processes.table().values() if p.group in groups and p.alive]
    assert len(members) >= 5  # two servers, two workers, a shell
    assert deaf in members
    process.kill()
    process.wait()
    assert wait_for_the_end_of(members, 5) == []

    root = tmp_path / "runtime"
    left = [folder for instance in said for folder in litter.COGLET.glob(f"*{instance['job']}")]
    assert len(left) == 2
    assert wait_for_the_end_of([away], 0) == [away]
    environments = Environments(CACHE, environ=os.environ)
    elsewhere = ProcessRuntime(tmp_path / "other", environments, environ=os.environ)
    assert await elsewhere.sweep() == 0
    assert wait_for_the_end_of([away], 0) == [away]
    assert all(folder.exists() for folder in left)
    runtime = ProcessRuntime(root, environments, environ=os.environ)
    assert await runtime.sweep() == 1
    assert wait_for_the_end_of([away], 0) == []
    assert not any(folder.exists() for folder in left)
    assert list((root / "instances").iterdir()) == []
    assert await runtime.sweep() == 0
