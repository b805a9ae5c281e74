"""A stand-in for a Hearth server that builds a model, until it is killed.

Arguments: root folder, environment cache, model folder. Prints the build's log.
"""

import asyncio
import os
import sys
from pathlib import Path

from hearth import ids
from hearth.cog.build import Environments
from hearth.runtime.base import BuildRequest
from hearth.runtime.build import CogBuilder
from hearth.runtime.owner import Owner


async def main(root: Path, cache: Path, folder: Path) -> None:
    environments = Environments(cache, environ=os.environ, markers=Owner.of(root / "runtime").markers)
    builder = CogBuilder(environments, root / "scratch")
    await builder.build(BuildRequest(id=ids.random32(), folder=folder), lambda line: print(line, flush=True))


if __name__ == "__main__":
    asyncio.run(main(*map(Path, sys.argv[1:])))
