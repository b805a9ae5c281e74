"""Introspection by import: the same document as from the source, and useful failures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hearth.cog import schema
from hearth.cog.build import Environments
from hearth.cog.config import PYTHON_VERSIONS, CogConfig
from hearth.cog.openapi import document_of
from hearth.errors import BuildFailed

EVERYTHING = """
    from __future__ import annotations
    from enum import Enum
    from typing import Annotated, Any, AsyncIterator, Dict, Iterator, List, Literal, Optional, TypedDict, Union
    import cog
    from cog import BaseModel, BasePredictor, ConcatenateIterator, File, Input, Opaque, Path, Secret
    print("a model that prints while it is imported")
    SIZES = ["s", "m"] + ["l"]
    class Colour(str, Enum):
        RED = "red"
        BLUE = "blue"
    class Point(BaseModel):
        x: float
        label: Optional[str] = None
    class Output(BaseModel):
        point: Point
        points: List[Point]
        image: Path
        extra: Dict[str, int]
    class Predictor(BasePredictor):
        @cog.streaming
        def predict(
            self,
            text: str,
            described: str = Input(description="d", min_length=1, max_length=9, regex="^a"),
            number: int = Input(default=3, ge=1, le=5),
            real: float = 1.5,
            flag: bool = False,
            seed: int = Input(default=None),
            maybe: Optional[int] = Input(default=None),
            bare: Optional[str] = Input(description="x"),
            either: Union[str, int] = "a",
            image: Path = Input(default=None, accept="image/*"),
            images: List[Path] = Input(default=[]),
            old: File = None,
            token: Secret = Input(default=None),
            size: str = Input(choices=SIZES, default="m"),
            level: Literal[1, 2] = 1,
            colour: Colour = Colour.BLUE,
            anything: Any = Input(default=None, deprecated=True),
            table: Dict[str, Any] = Input(default={}),
            opaque: Annotated[list, Opaque] = Input(default=[]),
        ) -> Output: ...
    def train(data: Path, steps: int = 1) -> Iterator[str]: ...
"""


@pytest.mark.parametrize("version", PYTHON_VERSIONS)
async def test_importing_and_reading_give_the_same_document_on_every_python(
    environments: Environments, start: Any, version: str
) -> None:
    folder = start.write(EVERYTHING)
    try:
        start.environment = await environments.prepare(
            CogConfig(python_version=version), workdir=folder, log=start.logs.append
        )
    except BuildFailed as error:
        if "is not installed here" not in error.message:
            raise
        pytest.skip(error.message)
    config = CogConfig(predict="predict.py:Predictor", train="predict.py:train")
    both = [
        await schema._facts(script, folder, config, start.environment, start.logs.append, {}, 60)
        for script in (schema._INTROSPECT, schema._STATIC)
    ]
    assert document_of(both[0]) == document_of(both[1])
    properties = document_of(both[0])["components"]["schemas"]["Input"]["properties"]
    assert properties["seed"] == {"type": "integer", "title": "Seed", "x-order": 5}
    assert properties["maybe"]["default"] is None
    assert properties["old"] == {"type": "string", "format": "uri", "title": "Old", "x-order": 11}
    assert "default" not in properties["bare"]
    assert "a model that prints" in "\n".join(start.logs)


async def test_what_is_recorded_beside_the_schema(start: Any) -> None:
    described = await start.describe(EVERYTHING, predict="predict.py", train="predict.py:train")
    assert (described.streaming, described.trainable, described.is_async) == (True, True, False)
    assert described.cog_version == start.environment.cog_version
    iterator = await start.describe(
        """
        from typing import AsyncIterator
        import cog
        class Runner:
            async def setup(self, weights=None): ...
            @cog.concurrent(max=8)
            async def run(self) -> AsyncIterator[str]:
                yield ""
        """
    )
    assert (iterator.is_async, iterator.is_async_generator, iterator.is_iterator) == (True, True, True)
    assert (iterator.concurrency, iterator.takes_weights, iterator.streaming) == (8, True, False)


async def test_choices_may_be_anything_that_can_be_gone_through(start: Any) -> None:
    described = await start.describe(
        """
        from cog import Input
        TABLE = {"fast": 1, "slow": 2}
        class Runner:
            def run(
                self,
                keys: str = Input(choices=TABLE.keys()),
                table: str = Input(choices=TABLE),
                numbers: int = Input(choices=range(1, 4), default=2),
                made: str = Input(choices=(name.upper() for name in TABLE)),
            ) -> str: ...
        """
    )
    schemas = described.openapi_schema["components"]["schemas"]
    assert [schemas[name]["enum"] for name in ("keys", "table", "numbers", "made")] == [
        ["fast", "slow"],
        ["fast", "slow"],
        [1, 2, 3],
        ["FAST", "SLOW"],
    ]


async def test_cog_yaml_wins_over_the_decorator_and_sync_models_stay_alone(start: Any) -> None:
    source = "import cog\nclass Runner:\n    @cog.concurrent(max=8)\n    async def run(self) -> str: ...\n"
    assert (await start.describe(source, concurrency_max=2)).concurrency == 2
    plain = "class Runner:\n    def run(self) -> str: ...\n"
    assert (await start.describe(plain, concurrency_max=2)).concurrency == 1
    assert any("needs an async model" in line for line in start.logs)


@pytest.mark.parametrize(
    "message",
    ["Found no NVIDIA driver on your system", "libGL.so.1: cannot open shared object file: No such file"],
)
async def test_a_machine_without_gpu_falls_back_to_the_source(start: Any, message: str) -> None:
    source = f"raise ImportError({message!r})\nclass Runner:\n    def run(self, n: int = 2) -> str: ...\n"
    described = await start.describe(source)
    assert described.openapi_schema["components"]["schemas"]["Input"]["properties"]["n"]["default"] == 2
    assert any("reading its source instead" in line for line in start.logs)


@pytest.mark.parametrize(
    ("source", "says", "hint"),
    [
        ("import nothing_like_this\n", "No module named 'nothing_like_this'", "python_packages"),
        ("raise ValueError('own fault')\n", "own fault", None),
        ("def broken(:\n", "SyntaxError", None),
        ("import sys\nsys.exit(4)\n", "SystemExit: 4", None),
        ("import os\nos._exit(4)\n", "exit code 4", None),
        ("x = 1\n", "has no Runner or Predictor", None),
        ("class Runner:\n    def run(self, x) -> str: ...\n", "input x has no type annotation", None),
        ("class Runner:\n    def run(self, **inputs) -> str: ...\n", "takes **inputs", None),
        ("class Runner:\n    def run(self): ...\n", "return type annotation", "Write what it returns"),
        ("class Runner:\n    def run(self, x: int = Input) -> str: ...\n", "Input", None),
        (
            "class Runner:\n    def run(self) -> str: ...\n    def predict(self) -> str: ...\n",
            "either run() or predict()",
            None,
        ),
        (
            "import cog\nclass Runner:\n    def run(self, x: str = cog.Input(default_factory=str)) -> str: ...\n",
            "default_factory is not supported",
            None,
        ),
    ],
)
async def test_failures_say_what_is_wrong(start: Any, source: str, says: str, hint: str | None) -> None:
    with pytest.raises(BuildFailed) as caught:
        await start.describe(source)
    assert says in caught.value.message
    assert (hint or "") in (caught.value.hint or "")


async def test_an_import_that_never_ends_is_ended(start: Any) -> None:
    folder = start.write("import time\ntime.sleep(1000)\n")
    with pytest.raises(BuildFailed, match="longer than"):
        await schema.describe(
            folder, CogConfig(predict="predict.py"), start.environment, log=start.logs.append, timeout=0.5
        )


async def test_local_imports_and_same_named_files_are_the_models_own(start: Any) -> None:
    folder: Path = start.write("import config\nclass Runner:\n    def run(self, n: int = config.N) -> str: ...\n")
    (folder / "config.py").write_text("N = 42\n")
    described = await start.describe(folder)
    assert described.openapi_schema["components"]["schemas"]["Input"]["properties"]["n"]["default"] == 42
