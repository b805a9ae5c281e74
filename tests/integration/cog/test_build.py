"""Environments: built once, shared, never half-made."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from hearth.cog import interpreters
from hearth.cog.build import COG_VERSION, Environments
from hearth.cog.config import CogConfig, RunStep, SecretMount
from hearth.cog.schema import describe
from hearth.errors import BuildFailed


@pytest.fixture
def made(tmp_path: Path) -> Environments:
    return Environments(tmp_path / "envs", environ=os.environ, secrets={"token": "hunter2"})


def test_an_environment_holds_cog_and_its_lock(environment: Any) -> None:
    assert len(environment.key) == 64
    assert f"cog=={COG_VERSION}" in environment.lock
    assert "pydantic==" in environment.lock
    text = subprocess.check_output([environment.python, "-c", "import cog; print(cog.__version__)"], text=True)
    assert text.strip() == COG_VERSION
    assert (environment.bin / "pget").is_file()


def test_pget_downloads_and_unpacks(environment: Any, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.add(tmp_path / "a.txt", "inside/a.txt")
    pget = environment.bin / "pget"
    subprocess.check_call([pget, f"file://{tmp_path}/a.txt", tmp_path / "sub" / "b.txt"])
    assert (tmp_path / "sub" / "b.txt").read_text() == "a"
    subprocess.check_call([pget, "-x", f"file://{tmp_path}/a.tar", tmp_path / "unpacked"])
    assert (tmp_path / "unpacked" / "inside" / "a.txt").read_text() == "a"
    again = subprocess.run([pget, f"file://{tmp_path}/a.txt", tmp_path / "sub" / "b.txt"], capture_output=True)
    assert again.returncode == 1
    assert b"use -f to overwrite" in again.stderr


async def test_the_second_push_runs_no_resolver(environments: Environments, environment: Any, tmp_path: Path) -> None:
    lines: list[str] = []
    again = await environments.prepare(CogConfig(), workdir=tmp_path, log=lines.append)
    assert again == environment
    assert lines == [f"Environment {environment.key[:12]} is ready (Python {environment.python_version})"]


async def test_simultaneous_builds_of_one_environment_share_it(made: Environments, tmp_path: Path) -> None:
    lines: list[str] = []
    config = CogConfig(run=(RunStep(command="echo built"),))
    one, two = await asyncio.gather(*(made.prepare(config, workdir=tmp_path, log=lines.append) for _ in range(2)))
    assert one == two
    assert lines.count("built") == 1
    assert "Waiting for another build of the same environment" in lines


async def test_run_commands_see_the_environment_and_nothing_of_the_source(made: Environments, tmp_path: Path) -> None:
    (tmp_path / "cog.yaml").write_text("")
    lines: list[str] = []
    target = tmp_path / "run" / "secret"
    step = RunStep(
        command=f"pwd; ls | wc -l; command -v python; cat {target} below/secret",
        secrets=(SecretMount(id="token", target=str(target)), SecretMount(id="token", target="below/secret")),
    )
    environment = await made.prepare(CogConfig(run=(step,)), workdir=tmp_path, log=lines.append)
    said = lines[lines.index(f"$ {step.command}") + 1 :]
    assert said[0] != str(tmp_path)
    assert said[1:4] == ["1", str(environment.python), "hunter2hunter2"]
    assert not target.exists()


async def test_run_commands_have_uv_for_their_environment_and_none_of_our_tools(
    made: Environments, tmp_path: Path
) -> None:
    lines: list[str] = []
    steps = ("uv pip list --format freeze", "command -v mypy || echo no mypy")
    config = CogConfig(run=tuple(RunStep(command=step) for step in steps))
    await made.prepare(config, workdir=tmp_path, log=lines.append)
    assert f"cog=={COG_VERSION}" in lines
    assert "no mypy" in lines


@pytest.mark.parametrize(
    ("config", "says"),
    [
        (CogConfig(run=(RunStep(command="echo before; exit 3"),)), "ended with exit code 3:\nbefore"),
        (CogConfig(requirements=("no-such-package-of-hearth==9",)), "no-such-package-of-hearth"),
        (
            CogConfig(run=(RunStep(command="true", secrets=(SecretMount(id="gone", target="/x/y"),)),)),
            "secret gone",
        ),
        (CogConfig(system_packages=("no-such-package", "bash")), "System packages are missing: no-such-package"),
    ],
)
async def test_a_failed_build_leaves_nothing_and_says_why(
    made: Environments, tmp_path: Path, config: CogConfig, says: str
) -> None:
    with pytest.raises(BuildFailed) as caught:
        await made.prepare(config, workdir=tmp_path, log=lambda line: None)
    assert says in caught.value.message
    if "exit code" in says:
        assert "without the files of the model" in (caught.value.hint or "")
    assert not list((tmp_path / "envs" / "envs").glob("*"))


async def test_missing_system_packages_come_with_the_command_to_run(made: Environments, tmp_path: Path) -> None:
    with pytest.raises(BuildFailed) as caught:
        await made.prepare(
            CogConfig(system_packages=("no-such-a", "bash", "no-such-b")), workdir=tmp_path, log=lambda line: None
        )
    assert "apt-get install -y --no-install-recommends no-such-a no-such-b" in (caught.value.hint or "")


async def test_cancelling_kills_what_runs_and_leaves_nothing(made: Environments, tmp_path: Path) -> None:
    started: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def log(line: str) -> None:
        if line.startswith("pid "):
            started.set_result(int(line.split()[1]))

    config = CogConfig(run=(RunStep(command="sleep 1000 & echo pid $!; wait"),))
    task = asyncio.create_task(made.prepare(config, workdir=tmp_path, log=log))
    pid = await started
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not list((tmp_path / "envs" / "envs").glob("*"))
    async with asyncio.timeout(60):
        while runs(pid):  # noqa: ASYNC110 - another process's end has no event here
            await asyncio.sleep(0.01)


def runs(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rsplit(")", 1)[1].split()[0] != "Z"


async def test_the_bytecode_of_what_a_model_imports_is_there_before_its_first_boot(
    made: Environments, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "predict.py").write_text("import yaml\n\ndef run() -> str: ...\n")
    config = CogConfig(predict="predict.py:run")
    environment = await made.prepare(config, workdir=source, log=lambda line: None)
    await describe(source, config, environment, log=lambda line: None)
    for package in ("cog", "coglet", "yaml"):
        (folder,) = environment.path.glob(f"lib/python*/site-packages/{package}")
        assert list(folder.glob("__pycache__/__init__.*.pyc")), package
    assert not list(environment.path.glob("lib/python*/site-packages/pydantic/__pycache__"))


async def test_an_environment_without_its_marker_is_built_again(made: Environments, tmp_path: Path) -> None:
    first = await made.prepare(CogConfig(), workdir=tmp_path, log=lambda line: None)
    (first.path / "hearth.json").unlink()
    first.python.unlink()
    assert made.get(first.key) is None
    again = await made.prepare(CogConfig(), workdir=tmp_path, log=lambda line: None)
    assert again == first
    assert first.python.exists()


async def test_requirements_that_disagree_with_cog_win(made: Environments, tmp_path: Path) -> None:
    lines: list[str] = []
    config = CogConfig(requirements=("structlog==19.1.0",))
    environment = await made.prepare(config, workdir=tmp_path, log=lines.append)
    assert f"cog=={COG_VERSION}" in environment.lock
    assert any("do not agree with cog" in line for line in lines)


async def test_an_absent_python_lists_those_that_work(tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "UV_PYTHON_DOWNLOADS": "never"}
    with pytest.raises(BuildFailed, match=r"Python 3\.77 is not installed") as caught:
        await interpreters.find("3.77", uv=made_uv(), env=env, download=False)
    assert f"{sys.version_info[0]}.{sys.version_info[1]}." in (caught.value.hint or "")


def made_uv() -> str:
    return str(Path(sys.executable).with_name("uv"))


async def test_an_environment_that_nothing_uses_goes_and_is_made_again(made: Environments, tmp_path: Path) -> None:
    config = CogConfig(requirements=())
    first = await made.prepare(config, workdir=tmp_path, log=lambda line: None)
    os.utime(first.path / "hearth.json", (1.0, 1.0))
    assert await made.stale(2.0) == [first.key]
    assert (await made.use(first.key)) == first
    assert await made.stale(2.0) == []
    assert not await made.remove(first.key, 2.0), "it has been used since"
    os.utime(first.path / "hearth.json", (1.0, 1.0))
    assert await made.remove(first.key, 2.0)
    assert (made.get(first.key), await made.use(first.key)) == (None, None)
    root = first.path.parents[1]
    assert [path.name for path in root.iterdir() if path.name.startswith(".gone")] == []
    assert not (root / "locks" / first.key).exists()
    (index,) = (root / "index").iterdir()
    os.utime(index, (1.0, 1.0))
    assert await made.stale(2.0) == []
    assert list((root / "index").iterdir()) == []
    again = await made.prepare(config, workdir=tmp_path, log=lambda line: None)
    assert again == first


async def test_what_is_being_built_is_not_taken_away(made: Environments, tmp_path: Path) -> None:
    building: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    go = tmp_path / "go"

    def log(line: str) -> None:
        if line == "here":
            building.set_result(None)

    config = CogConfig(run=(RunStep(command=f"echo here; until [ -e {go} ]; do sleep 0.01; done"),))
    task = asyncio.create_task(made.prepare(config, workdir=tmp_path, log=log))
    await building
    (name,) = [path.name for path in (tmp_path / "envs" / "envs").iterdir()]
    assert await made.stale(1e12) == [name]
    assert not await made.remove(name, 1e12)
    go.touch()
    assert (await task).key == name
    assert made.get(name) is not None
