"""Runtimes under test, each with real coglets, and models from `tests/models`, built once a session."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import textwrap
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from hearth import ids
from hearth.cog.build import Environments
from hearth.domain.model import Recipe
from hearth.runtime.base import (
    BuildRequest,
    BuildResult,
    Emission,
    Instance,
    InstanceSpec,
    Job,
    Outcome,
    Runtime,
)
from hearth.runtime.build import CogBuilder
from hearth.runtime.process import ProcessRuntime

MODELS = Path(__file__).parents[2] / "models"
CACHE = Path(os.environ.get("HEARTH_TEST_CACHE") or Path.home() / ".cache" / "hearth-tests")

_built: dict[Path, BuildResult] = {}


@pytest.fixture(scope="session")
def environments() -> Environments:
    return Environments(CACHE / "environments", environ=os.environ)


@pytest.fixture(params=["process", "zygote"])
async def runtime(request: pytest.FixtureRequest, tmp_path: Path, environments: Environments) -> AsyncIterator[Runtime]:
    """Instances are started, or forked from a zygote: nobody should see a difference."""
    if request.param == "zygote":
        if sys.platform != "linux":
            pytest.skip("zygotes need /proc")
        runtime = ProcessRuntime(tmp_path / "runtime", environments, environ=os.environ, zygote_after=1e-6)
        first = await runtime.start(await Models(runtime, environments, tmp_path).spec("noop"), lambda _: None)
        await first.stop(0)
        await runtime.zygotes_settled()
        assert runtime.zygotes(), "no zygote was made"
    else:
        runtime = ProcessRuntime(tmp_path / "runtime", environments, environ=os.environ)
    yield runtime
    await runtime.close()


class Running:
    """An instance and what it was heard to say."""

    def __init__(self, instance: Instance, setup: list[str], folder: Path) -> None:
        self.instance = instance
        self.setup = setup
        self.folder = folder

    async def run(
        self, *, emit: Callable[[Emission], None] = lambda _: None, id: str | None = None, **input: Any
    ) -> Outcome:
        return await self.instance.run(Job(id=id or ids.sortable(), input=input), emit)

    async def heard(self, **input: Any) -> tuple[Outcome, list[Emission]]:
        emissions: list[Emission] = []
        outcome = await self.run(emit=emissions.append, **input)
        return outcome, emissions


class Models:
    """Starts models and stops what the test left running."""

    def __init__(self, runtime: Runtime, environments: Environments, scratch: Path) -> None:
        self.runtime = runtime
        self._environments = environments
        self._scratch = scratch
        self.started: list[Instance] = []

    def folder(self, code: str, files: Mapping[str, bytes] | None = None) -> Path:
        """A model folder with `code` as its predict.py."""
        folder = self._scratch / "models" / ids.random32()
        folder.mkdir(parents=True)
        (folder / "cog.yaml").write_text('build:\n  python_version: "3.11"\nrun: "predict.py:Predictor"\n')
        (folder / "predict.py").write_text(textwrap.dedent(code))
        for name, content in (files or {}).items():
            (folder / name).write_bytes(content)
        return folder

    def left(self, id: str) -> list[int]:
        """Live processes of an instance, wherever they went."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    environ = (entry / "environ").read_bytes().split(b"\0")
                    if f"HEARTH_INSTANCE={id}".encode() in environ:
                        found.append(int(entry.name))
        return found

    async def spec(self, model: str | Path, **changes: Any) -> InstanceSpec:
        folder = MODELS / model
        if folder not in _built:
            builder = CogBuilder(self._environments, self._scratch / "scratch")
            _built[folder] = await builder.build(BuildRequest(id=ids.random32(), folder=folder), lambda _: None)
        built = _built[folder]
        weights = changes.pop("weights", None)
        recipe = Recipe(
            source=(),
            environment=built.environment,
            lock=built.lock,
            python_version=built.python_version,
            predict=built.predict,
            train=built.train,
            concurrency=built.concurrency,
            is_async=built.is_async,
            streaming=built.streaming,
            takes_weights=built.takes_weights,
            weights=weights,
            variables=built.variables,
            batching=built.batching,
        )
        fields: dict[str, Any] = {
            "id": ids.random32(),
            "version_id": "0" * 64,
            "model": f"tests/{folder.name}",
            "folder": folder,
            "recipe": recipe,
            "schema": built.openapi_schema,
            "setup_timeout": 60.0,
        }
        return InstanceSpec(**{**fields, **changes})

    async def start(self, model: str | Path, **changes: Any) -> Running:
        setup: list[str] = []
        spec = await self.spec(model, **changes)
        instance = await self.runtime.start(spec, setup.append)
        self.started.append(instance)
        assert instance.forked or not self.runtime.zygotes() or spec.recipe.variables, instance.how
        return Running(instance, setup, spec.folder)


@pytest.fixture
async def models(runtime: Runtime, environments: Environments, tmp_path: Path) -> AsyncIterator[Models]:
    models = Models(runtime, environments, tmp_path)
    yield models
    await asyncio.gather(*(instance.stop(0) for instance in models.started))
