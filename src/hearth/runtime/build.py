"""From a pushed folder to what a version records: configuration, environment, schema."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from hearth.cog import batching, config
from hearth.cog.build import Environments
from hearth.cog.config import HearthConfig
from hearth.cog.schema import describe
from hearth.domain.hardware import ANY_GPU
from hearth.runtime.base import BuildRequest, BuildResult
from hearth.runtime.home import Home

README_LIMIT = 512 * 1024
"""Characters. A model card, not a book."""


class CogBuilder:
    """A `Builder`. Below `root` lies a working copy of each source while its model is imported."""

    def __init__(self, environments: Environments, root: Path) -> None:
        self._environments = environments
        self._builds = root.absolute() / "builds"
        self._own = self._builds / secrets.token_hex(16)

    async def build(self, request: BuildRequest, log: Callable[[str], None]) -> BuildResult:
        log("Validating cog.yaml")
        cog, about = await asyncio.to_thread(_read, request.folder)
        for warning in (*cog.warnings, *about.warnings):
            log(f"Warning: {warning}")
        if cog.weights:
            log("Warning: cog.yaml: weights: nothing places these files; setup() has to fetch them itself")
        home = Home(self._own / request.id)
        try:
            await home.furnish(request.folder, self._remove_older)
            environment = await self._environments.prepare(cog, workdir=home.source, log=log)
            log("Importing the model to make its schema")
            model = await describe(home.source, cog, environment, log=log, markers=self._environments.markers)
        finally:
            await asyncio.to_thread(home.remove)
        schema = model.openapi_schema
        if about.batching is not None:
            schema = batching.singular(schema, about.batching, streams=model.streaming or model.is_iterator)
        inputs = schema["components"]["schemas"]["Input"].get("properties", {})
        log(f"The schema is ready: {len(inputs)} input{'' if len(inputs) == 1 else 's'}")
        return BuildResult(
            environment=environment.key,
            lock=environment.lock,
            python_version=environment.python_version,
            cog_version=model.cog_version,
            openapi_schema=schema,
            predict=cog.predict,
            train=cog.train,
            concurrency=model.concurrency,
            is_async=model.is_async,
            streaming=model.streaming or model.is_iterator,
            takes_weights=model.takes_weights,
            variables=cog.environment,
            about=_about(about, request.folder) | ({"hardware": ANY_GPU} if cog.gpu and not about.hardware else {}),
            batching=about.batching,
        )

    def _remove_older(self) -> None:
        """What builds of an earlier, killed server left."""
        for run in self._builds.iterdir():
            if run != self._own:
                Home(run).remove()


def _read(folder: Path) -> tuple[config.CogConfig, HearthConfig]:
    return config.load(folder), config.load_hearth(folder)


def _about(found: HearthConfig, folder: Path) -> dict[str, Any]:
    """What hearth.yaml says, without what it leaves out; the README as its text."""
    about = {name: value for name, value in msgspec.structs.asdict(found).items() if value not in (None, (), 0)}
    about.pop("warnings", None)
    about.pop("batching", None)
    readme = found.readme
    if readme is not None and not readme.startswith(("http://", "https://")):
        about["readme"] = (folder / readme).read_text(errors="replace")[:README_LIMIT]
    if "examples" in about:
        about["examples"] = list(found.examples)
    return about
