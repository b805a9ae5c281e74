"""Builds with real environments, and what the pusher reads meanwhile."""

from __future__ import annotations

import asyncio
import os
import textwrap
from pathlib import Path

import pytest

from hearth import ids
from hearth.cog.build import Environments
from hearth.errors import BuildFailed, ConfigInvalid
from hearth.runtime.base import BuildRequest, BuildResult
from hearth.runtime.build import CogBuilder

CACHE = Path(os.environ.get("HEARTH_TEST_CACHE") or Path.home() / ".cache" / "hearth-tests")
MODELS = Path(__file__).parents[2] / "models"


class Pusher:
    def __init__(self, builder: CogBuilder, scratch: Path) -> None:
        self.builder = builder
        self.scratch = scratch
        self.log: list[str] = []

    async def build(self, folder: Path) -> BuildResult:
        return await self.builder.build(BuildRequest(id=ids.random32(), folder=folder), self.log.append)

    def folder(self, files: dict[str, str]) -> Path:
        folder = self.scratch / ids.random32()
        folder.mkdir()
        for name, text in files.items():
            (folder / name).write_text(textwrap.dedent(text))
        return folder

    def left(self) -> list[Path]:
        (run,) = (self.scratch / "run" / "builds").iterdir()
        return list(run.iterdir())


@pytest.fixture
def pusher(tmp_path: Path) -> Pusher:
    environments = Environments(CACHE / "environments", environ=os.environ)
    return Pusher(CogBuilder(environments, tmp_path / "run"), tmp_path)


async def test_a_build_says_what_it_does_and_tells_all_a_version_needs(pusher: Pusher) -> None:
    built = await pusher.build(MODELS / "async-concurrent")
    assert built.predict == "predict.py:Predictor"
    assert (built.is_async, built.concurrency, built.streaming, built.train) == (True, 8, False, None)
    assert "cog==" in built.lock
    assert built.python_version.startswith("3.11")
    assert len(built.environment) == 64
    assert built.openapi_schema["components"]["schemas"]["Input"]["properties"]["name"]["default"] == "one"
    assert pusher.log[0] == "Validating cog.yaml"
    assert pusher.log[-1] == "The schema is ready: 2 inputs"
    assert pusher.left() == []


async def test_an_iterator_counts_as_streaming_and_variables_are_kept(pusher: Pusher) -> None:
    assert (await pusher.build(MODELS / "output-concatenate")).streaming
    assert (await pusher.build(MODELS / "environment")).variables == {"GREETING": "hello"}
    trainer = await pusher.build(MODELS / "trainer")
    assert trainer.train == "train.py:train"
    assert trainer.takes_weights


async def test_hearth_yaml_and_readme_come_along(pusher: Pusher) -> None:
    folder = pusher.folder(
        {
            "cog.yaml": 'build:\n  python_version: "3.11"\n  pyton_packages: []\npredict: "predict.py:run"\n',
            "predict.py": "def run(text: str) -> str:\n    return text\n",
            "hearth.yaml": "description: Says it again.\npriority: 3\nexamples:\n  - text: hello\n",
            "README.md": "# Echo",
        }
    )
    built = await pusher.build(folder)
    assert built.about == {
        "description": "Says it again.",
        "priority": 3,
        "examples": [{"text": "hello"}],
        "readme": "# Echo",
    }
    assert any(line.startswith("Warning: cog.yaml:3") for line in pusher.log)


async def test_what_the_model_writes_while_imported_does_not_reach_the_source(pusher: Pusher) -> None:
    folder = pusher.folder(
        {
            "cog.yaml": 'build:\n  python_version: "3.11"\npredict: "predict.py:run"\n',
            "predict.py": """
                import pathlib
                pathlib.Path("downloaded.bin").write_text("weights")
                pathlib.Path(__file__).write_text("gone")
                def run() -> str:
                    return "ok"
                """,
        }
    )
    await pusher.build(folder)
    assert sorted(os.listdir(folder)) == ["cog.yaml", "predict.py"]


async def test_code_that_cannot_be_imported_is_a_failed_build_with_its_traceback(pusher: Pusher) -> None:
    with pytest.raises(BuildFailed, match="a_package_that_is_not_installed") as caught:
        await pusher.build(MODELS / "import-fails")
    assert caught.value.hint
    assert "predict.py" in caught.value.message
    for ours in ("introspect.py", "loading.py", "frozen importlib"):
        assert ours not in caught.value.message
    assert pusher.left() == []


async def test_a_wrong_cog_yaml_names_line_and_key(pusher: Pusher) -> None:
    folder = pusher.folder({"cog.yaml": 'build:\n  python_version: "2.7"\npredict: "predict.py:run"\n'})
    with pytest.raises(ConfigInvalid, match=r"cog.yaml:2: .*python_version"):
        await pusher.build(folder)


async def test_what_a_killed_server_left_goes_with_the_next_build(pusher: Pusher) -> None:
    left = pusher.scratch / "run" / "builds" / "earlier" / "build" / "src"
    left.mkdir(parents=True)
    await pusher.build(MODELS / "noop")
    assert not left.exists()
    assert pusher.left() == []


async def test_a_canceled_build_leaves_nothing(pusher: Pusher) -> None:
    folder = pusher.folder(
        {
            "cog.yaml": 'build:\n  python_version: "3.11"\npredict: "predict.py:run"\n',
            "predict.py": "import time\nprint('importing')\ntime.sleep(600)\ndef run() -> str: ...\n",
        }
    )
    importing = asyncio.Event()

    def log(line: str) -> None:
        if line.startswith("Importing"):
            importing.set()

    building = asyncio.create_task(pusher.builder.build(BuildRequest(id=ids.random32(), folder=folder), log))
    await importing.wait()
    building.cancel()
    with pytest.raises(asyncio.CancelledError):
        await building
    assert pusher.left() == []


async def test_a_model_that_groups_is_published_in_the_singular(pusher: Pusher) -> None:
    built = await pusher.build(MODELS / "batched")
    schemas = built.openapi_schema["components"]["schemas"]
    assert schemas["Input"]["properties"]["text"] == {
        "type": "string",
        "title": "Text",
        "description": "What to write.",
        "minLength": 1,
        "x-order": 0,
    }
    assert schemas["Input"]["properties"]["image"]["format"] == "uri"
    assert schemas["Output"] == {"title": "Output", "type": "string", "format": "uri"}
    assert built.batching is not None
    assert (built.batching.inputs, built.batching.max_size, built.batching.max_wait) == (("text", "image"), 4, 0.02)
    assert "batching" not in built.about


async def test_a_model_that_streams_cannot_group(pusher: Pusher) -> None:
    code = """
        from typing import Iterator, List
        from cog import BaseRunner

        class Predictor(BaseRunner):
            def run(self, text: List[str]) -> Iterator[str]:
                yield from text
    """
    files = {
        "cog.yaml": 'build:\n  python_version: "3.11"\nrun: "predict.py:Predictor"\n',
        "hearth.yaml": "batching:\n  input: text\n",
        "predict.py": code,
    }
    with pytest.raises(BuildFailed, match="an output that comes item by item"):
        await pusher.build(pusher.folder(files))
