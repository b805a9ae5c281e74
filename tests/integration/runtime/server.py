"""A stand-in for a Hearth server: starts models, says which processes exist, and waits to be killed.

Arguments: root folder, environment cache, model folders. Prints one line of JSON a model, then `ready`.
"""

import asyncio
import json
import os
import sys
from pathlib import Path

import uvloop

from hearth import ids
from hearth.cog.build import Environments
from hearth.domain.model import Recipe
from hearth.runtime.base import BuildRequest, InstanceSpec, Job, Yielded
from hearth.runtime.build import CogBuilder
from hearth.runtime.process import ProcessRuntime


async def main(root: Path, cache: Path, folders: list[Path]) -> None:
    environments = Environments(cache, environ=os.environ)
    builder = CogBuilder(environments, root / "scratch")
    runtime = ProcessRuntime(root / "runtime", environments, environ=os.environ)
    running = []
    for folder in folders:
        built = await builder.build(BuildRequest(id=ids.random32(), folder=folder), lambda _: None)
        recipe = Recipe(source=(), environment=built.environment, predict=built.predict)
        spec = InstanceSpec(
            id=ids.random32(),
            version_id="",
            model="",
            folder=folder,
            recipe=recipe,
            schema=built.openapi_schema,
        )
        instance = await runtime.start(spec, lambda _: None)
        said: asyncio.Future[object] = asyncio.get_running_loop().create_future()

        def emit(emission: object, said: "asyncio.Future[object]" = said) -> None:
            if isinstance(emission, Yielded) and not said.done():
                said.set_result(emission.value)

        job = Job(id=ids.sortable(), input={})
        running.append(asyncio.ensure_future(instance.run(job, emit)))
        known = {"id": instance.id, "pid": (await instance.usage()).pid, "job": job.id, "said": await said}
        print(json.dumps(known), flush=True)
    print("ready", flush=True)
    await asyncio.wait(running)


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1]), Path(sys.argv[2]), [Path(name) for name in sys.argv[3:]]))
