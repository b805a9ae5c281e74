"""What concerns instances as local processes only: the loop they run on, ports, folders."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import uvloop

from hearth import ids
from hearth.cog.build import Environments
from hearth.domain.model import Recipe
from hearth.errors import InstanceLost, SetupFailed
from hearth.runtime import boot, litter
from hearth.runtime.base import FILE_OUTPUT, BuildRequest, BuildResult, InstanceSpec, Job, Outcome
from hearth.runtime.build import CogBuilder
from hearth.runtime.instance import ProcessInstance
from hearth.runtime.process import ProcessRuntime

CACHE = Path(os.environ.get("HEARTH_TEST_CACHE") or Path.home() / ".cache" / "hearth-tests")
MODELS = Path(__file__).parents[2] / "models"


def path_of(outcome: Outcome) -> Path:
    return Path(outcome.output.removeprefix(FILE_OUTPUT))


def take(outcome: Outcome) -> None:
    """As the engine does: the file must still be there."""
    path_of(outcome).unlink()


@pytest.fixture
def environments() -> Environments:
    return Environments(CACHE / "environments", environ=os.environ)


async def build(environments: Environments, folder: Path, tmp_path: Path) -> BuildResult:
    builder = CogBuilder(environments, tmp_path / "scratch")
    return await builder.build(BuildRequest(id=ids.random32(), folder=folder), lambda _: None)


def spec_of(built: BuildResult, folder: Path, **changes: Any) -> InstanceSpec:
    recipe = Recipe(source=(), environment=built.environment, predict=built.predict)
    fields: dict[str, Any] = {"id": ids.random32(), "recipe": recipe, **changes}
    return InstanceSpec(version_id="", model="", folder=folder, schema=built.openapi_schema, **fields)


@pytest.fixture
def runtime(environments: Environments, tmp_path: Path) -> ProcessRuntime:
    return ProcessRuntime(tmp_path / "runtime", environments, environ=os.environ)


@pytest.fixture
async def path_model(
    runtime: ProcessRuntime, environments: Environments, tmp_path: Path
) -> AsyncIterator[ProcessInstance]:
    folder = MODELS / "output-path"
    built = await build(environments, folder, tmp_path)
    instance = await runtime.start(spec_of(built, folder), lambda _: None)
    yield instance
    await instance.stop(0)


def test_it_works_on_the_loop_that_the_server_uses(
    runtime: ProcessRuntime, environments: Environments, tmp_path: Path
) -> None:
    async def scenario() -> None:
        folder = MODELS / "crasher"
        spec = spec_of(await build(environments, folder, tmp_path), folder)
        instance = await runtime.start(spec, lambda _: None)
        outcome = await instance.run(Job(id=ids.sortable(), input={}), lambda _: None)
        assert outcome.status == "succeeded"
        with pytest.raises(InstanceLost, match="SIGSEGV"):
            await instance.run(Job(id=ids.sortable(), input={"how": "segfault"}), lambda _: None)
        await instance.stop(5)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scenario())


async def test_a_port_that_somebody_took_is_given_up_for_another(
    runtime: ProcessRuntime, environments: Environments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        await start_on(taken.getsockname()[1], runtime, environments, tmp_path, monkeypatch)


async def start_on(
    port: int,
    runtime: ProcessRuntime,
    environments: Environments,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    original = boot.Reservation.__init__
    ports: list[int] = []

    def unlucky(self: boot.Reservation) -> None:
        original(self)
        if not ports:
            self.port = port
        ports.append(self.port)

    monkeypatch.setattr(boot.Reservation, "__init__", unlucky)
    folder = MODELS / "noop"
    instance = await runtime.start(spec_of(await build(environments, folder, tmp_path), folder), lambda _: None)
    assert len(ports) == 2
    outcome = await instance.run(Job(id=ids.sortable(), input={}), lambda _: None)
    assert outcome.output == "ok"
    await instance.stop(5)


async def test_an_instance_that_ends_leaves_no_folder(path_model: ProcessInstance, tmp_path: Path) -> None:
    (run,) = (tmp_path / "runtime" / "instances").iterdir()
    assert [path.name for path in run.iterdir()] == [path_model.id]
    id = ids.sortable()
    outcome = await path_model.run(Job(id=id, input={}), lambda _: None)
    assert outcome.output.startswith(FILE_OUTPUT)
    assert list(litter.COGLET.glob(f"*{id}"))
    await path_model.stop(5)
    assert list(run.iterdir()) == []
    assert not list(litter.COGLET.glob(f"*{id}"))


async def test_what_predictions_leave_is_removed_while_the_instance_serves_on(
    path_model: ProcessInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(litter, "DELAY", 0.01)
    swept = asyncio.Event()
    loop = asyncio.get_running_loop()
    original = litter.remove

    def remove(*arguments: Any) -> Any:
        kept = original(*arguments)
        loop.call_soon_threadsafe(swept.set)
        return kept

    monkeypatch.setattr(litter, "remove", remove)
    first = ids.sortable()
    outcome = await path_model.run(Job(id=first, input={}), lambda _: None)
    await swept.wait()
    assert not list(litter.COGLET.glob(f"*{first}"))
    take(outcome)
    swept.clear()
    await path_model.run(Job(id=ids.sortable(), input={}), lambda _: None)
    await swept.wait()
    assert not path_of(outcome).parents[1].exists()


async def test_a_version_whose_environment_is_gone_gets_it_again(environments: Environments, tmp_path: Path) -> None:
    folder = MODELS / "noop"
    built = await build(environments, folder, tmp_path)
    bare = Environments(tmp_path / "bare", environ=os.environ)
    runtime = ProcessRuntime(tmp_path / "runtime", bare, environ=os.environ)
    log: list[str] = []
    instance = await runtime.start(spec_of(built, folder), log.append)
    assert "built again" in log[0]
    await instance.stop(5)


async def test_another_environment_is_never_used_instead(
    runtime: ProcessRuntime, environments: Environments, tmp_path: Path
) -> None:
    folder = MODELS / "noop"
    built = await build(environments, folder, tmp_path)
    recipe = Recipe(source=(), environment="0" * 64, predict=built.predict)
    with pytest.raises(SetupFailed, match="other packages") as caught:
        await runtime.start(spec_of(built, folder, recipe=recipe), lambda _: None)
    assert "Push the model again" in str(caught.value.hint)


async def test_the_model_knows_no_training_it_does_not_have(
    runtime: ProcessRuntime, environments: Environments, tmp_path: Path
) -> None:
    folder = MODELS / "noop"
    built = await build(environments, folder, tmp_path)
    with pytest.raises(SetupFailed, match="names no train code"):
        await runtime.start(spec_of(built, folder, train=True), lambda _: None)
    (run,) = (tmp_path / "runtime" / "instances").iterdir()
    assert list(run.iterdir()) == []


async def test_a_start_that_hangs_before_coglet_answers_is_ended_at_the_deadline(
    runtime: ProcessRuntime, environments: Environments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = MODELS / "noop"
    built = await build(environments, folder, tmp_path)
    monkeypatch.setattr(
        boot.cog_instance,
        "command",
        lambda environment: [str(environment.python), "-c", "import time; time.sleep(3600)"],
    )
    with pytest.raises(SetupFailed, match="longer than 1 seconds"):
        async with asyncio.timeout(60):
            await runtime.start(spec_of(built, folder, setup_timeout=1.0), lambda _: None)
    assert not await asyncio.to_thread(runtime._left_behind)
