"""Models of every kind, run by a real coglet through the wrapper and the client."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from hearth.cog.client import AtCapacity, Metric, Output, Started
from hearth.cog.files import incoming, outgoing
from hearth.errors import InstanceLost, InvalidInput

SYNC = """
    import time
    from cog import BasePredictor, Input, current_scope
    class Predictor(BasePredictor):
        def setup(self):
            print("loading")
        def predict(self, n: int = Input(default=2, ge=0), mode: str = "") -> int:
            print("line")
            if mode == "half":
                print("no end", end="")
            if mode == "raise":
                raise ValueError("no good")
            if mode == "exit":
                raise SystemExit(3)
            if mode == "sleep":
                print("sleeping", flush=True)
                while True:
                    time.sleep(0.01)
            if mode == "die":
                import os
                os._exit(9)
            current_scope().record_metric("tokens", 7)
            return n * 2
"""


async def test_sync_model(start: Any) -> None:
    async with start(SYNC) as running:
        assert running.health.status == "READY"
        result = await running.predict({"n": 4})
        assert (result.status, result.output, result.logs) == ("succeeded", 8, "line\n")
        assert isinstance(result.events[0], Started)
        assert Metric("tokens", 7) in result.events
        assert result.completed.metrics["tokens"] == 7
        assert result.completed.metrics["predict_time"] > 0
        assert (await running.predict({"n": 4.0})).output == 8
        assert (await running.predict({})).output == 4


async def test_errors_come_plain_and_the_traceback_is_in_the_logs(start: Any) -> None:
    async with start(SYNC) as running:
        result = await running.predict({"mode": "raise"})
        assert (result.status, result.error) == ("failed", "ValueError: no good")
        assert result.logs.startswith("line\nTraceback (most recent call last):\n")
        assert 'raise ValueError("no good")' in result.logs
        assert "wrapper.py" not in result.logs
        assert result.completed.logs == result.logs
        assert (await running.predict({"mode": "exit"})).status == "failed"
        assert (await running.predict({})).output == 4


async def test_half_a_line_does_not_reach_the_next_prediction(start: Any) -> None:
    async with start(SYNC) as running:
        assert (await running.predict({"mode": "half"})).logs == "line\nno end"
        assert (await running.predict({})).logs == "line\n"


async def test_wrong_input_is_refused_with_its_field(start: Any) -> None:
    async with start(SYNC) as running:
        with pytest.raises(InvalidInput) as caught:
            await running.predict({"n": -1})
        assert [field.field for field in caught.value.fields] == ["n"]


async def test_cancel_by_request_and_by_leaving(start: Any) -> None:
    async with start(SYNC) as running:
        sleeping = asyncio.Event()

        def see(event: object) -> None:
            if getattr(event, "text", "") == "sleeping\n":
                sleeping.set()

        task = asyncio.create_task(running.predict({"mode": "sleep"}, id="one", on_event=see))
        await sleeping.wait()
        with pytest.raises(AtCapacity):
            await running.predict({})
        assert await running.coglet.cancel("one")
        result = await task
        assert (result.status, result.logs) == ("canceled", "line\nsleeping\n")
        assert not await running.coglet.cancel("never")

        sleeping.clear()
        task = asyncio.create_task(running.predict({"mode": "sleep"}, id="two", on_event=see))
        await sleeping.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await running.predict({})).output == 4


async def test_worker_death_loses_the_instance(start: Any) -> None:
    async with start(SYNC) as running:
        with pytest.raises(InstanceLost) as caught:
            await running.predict({"mode": "die"})
        assert caught.value.started
        with pytest.raises(InstanceLost) as caught:
            await running.predict({})
        assert not caught.value.started
        assert (await running.coglet.health()).worker_dead


async def test_a_killed_server_loses_the_instance(start: Any) -> None:
    async with start(SYNC) as running:
        sleeping = asyncio.Event()
        task = asyncio.create_task(
            running.predict(
                {"mode": "sleep"}, on_event=lambda e: sleeping.set() if getattr(e, "text", "") == "sleeping\n" else None
            )
        )
        await sleeping.wait()
        running.process.kill()
        with pytest.raises(InstanceLost) as caught:
            await task
        assert caught.value.started
        await running.process.wait()
        with pytest.raises(InstanceLost) as caught:
            await running.predict({})
        assert not caught.value.started


async def test_shutdown_ends_the_server(start: Any) -> None:
    async with start(SYNC) as running:
        await running.coglet.shutdown()
        assert await running.process.wait() == 0


async def test_generator_chunks_are_live(start: Any) -> None:
    source = """
        import os, time
        from cog import ConcatenateIterator
        class Predictor:
            def run(self, gate: str) -> ConcatenateIterator[str]:
                for word in ("a ", "b ", "c"):
                    yield word
                    while word == "a " and not os.path.exists(gate):
                        time.sleep(0.005)
    """
    async with start(source) as running:
        await chunks_before_the_gate(running)


async def test_async_generator_chunks_are_live_and_come_once(start: Any) -> None:
    source = """
        import asyncio, os
        from typing import AsyncIterator
        class Predictor:
            async def run(self, gate: str) -> AsyncIterator[str]:
                for word in ("a ", "b ", "c"):
                    yield word
                    while word == "a " and not os.path.exists(gate):
                        await asyncio.sleep(0.005)
    """
    async with start(source) as running:
        result = await chunks_before_the_gate(running)
        assert "hearth_chunk" not in result.completed.metrics
        assert not any(isinstance(event, Metric) for event in result.events)


async def chunks_before_the_gate(running: Any) -> Any:
    """The model goes on after its first item only when the file appears: so the item arrived before."""
    gate = running.folder / "gate"
    result = await running.predict(
        {"gate": str(gate)}, on_event=lambda event: gate.touch() if isinstance(event, Output) else None
    )
    assert result.output == ["a ", "b ", "c"]
    assert result.chunks == ["a ", "b ", "c"]
    assert [event.index for event in result.events if isinstance(event, Output)] == [0, 1, 2]
    return result


async def test_async_generator_failing_half_way_keeps_its_chunks(start: Any) -> None:
    source = """
        from typing import AsyncIterator
        class Predictor:
            async def run(self) -> AsyncIterator[dict]:
                yield {"n": 1, "none": None}
                raise RuntimeError("half way")
    """
    async with start(source) as running:
        result = await running.predict()
        assert (result.status, result.error) == ("failed", "RuntimeError: half way")
        assert result.chunks == [{"n": 1, "none": None}]
        assert "half way" in result.logs


async def test_items_that_are_objects_and_the_order_of_keys(start: Any) -> None:
    source = """
        from typing import Any, AsyncIterator, Iterator
        class Runner:
            def run(self) -> Iterator[dict]:
                yield {"z": [1, 2], "a": None}
                yield "text"
                yield [[0.5], {"hearth_item": "[]"}]
    """
    items = [{"z": [1, 2], "a": None}, "text", [[0.5], {"hearth_item": "[]"}]]
    for text in (source, source.replace("def run", "async def run").replace("Iterator[dict]", "AsyncIterator[dict]")):
        async with start(text) as running:
            result = await running.predict()
            assert (result.output, result.chunks) == (items, items)
            assert list(result.output[0]) == ["z", "a"]
    async with start("class Runner:\n    def run(self) -> dict:\n        return {'z': 1, 'a': 2}\n") as running:
        assert list((await running.predict()).output) == ["z", "a"]


async def test_iterators_that_return_lists_still_stream(start: Any) -> None:
    source = """
        from typing import AsyncIterator, Iterator
        class Runner:
            def run(self, n: int) -> Iterator[int]:
                return list(range(n))
    """
    async with start(source) as running:
        result = await running.predict({"n": 3})
        assert (result.output, result.chunks) == ([0, 1, 2], [0, 1, 2])
    async with start(source.replace("def run", "async def run").replace(" Iterator[", " AsyncIterator[")) as running:
        result = await running.predict({"n": 3})
        assert (result.output, result.chunks) == ([0, 1, 2], [0, 1, 2])
        assert (await running.predict({"n": 0})).output == []


async def test_large_lists_travel_as_one_value(start: Any) -> None:
    source = "class Runner:\n    def run(self, n: int) -> list[float]:\n        return [0.5] * n\n"
    async with start(source) as running:
        result = await running.predict({"n": 20000})
        assert (len(result.output), result.chunks) == (20000, [])
        assert (await running.predict({"n": 1})).output == [0.5]
        assert (await running.predict({"n": 0})).output == []


async def test_async_model_runs_several_at_a_time(start: Any) -> None:
    source = """
        import asyncio
        from cog import concurrent
        class Predictor:
            async def setup(self):
                self.both = asyncio.Event()
                self.waiting = 0
            @concurrent(max=2)
            async def run(self, name: str) -> str:
                self.waiting += 1
                if self.waiting == 2:
                    self.both.set()
                await self.both.wait()
                print(name)
                return name
    """
    assert (await start.describe(source)).concurrency == 2
    async with start(source, concurrency=2) as running:
        one, two = await asyncio.gather(running.predict({"name": "one"}), running.predict({"name": "two"}))
        assert (one.output, one.logs, two.output, two.logs) == ("one", "one\n", "two", "two\n")


FILES = """
    import os, tempfile
    from typing import Any
    from cog import BaseModel, Path
    def write(name, text):
        path = os.path.join(tempfile.mkdtemp(), name)
        with open(path, "w") as file:
            file.write(text)
        return Path(path)
    class Predictor:
        def setup(self):
            self.kept = write("kept.txt", "kept")
            os.utime(self.kept, (1, 1))
        def run(self, kind: str) -> Any:
            if kind == "list":
                return [write("same.txt", str(n)) for n in range(5)]
            if kind == "nested":
                return {"a": [{"b": write("n.txt", "deep")}], "c": (write("m.txt", "tuple"), 1)}
            if kind == "iterator":
                return self.frames()
            if kind == "missing":
                return Path("/nowhere/x.png")
            if kind == "folder":
                return Path(tempfile.mkdtemp())
            if kind == "kept":
                return self.kept
            if kind == "twice":
                path = write("t.txt", "two")
                return [path, path]
            if kind == "open":
                return open(write("o.txt", "opened"), "rb")
            if kind == "claim":
                return "hearth-out:///etc/passwd"
            if kind == "nan":
                return [1.0, float("nan")]
            if kind == "infinity":
                return {"a": float("inf")}
        def frames(self):
            path = write("frame.txt", "")
            for n in range(3):
                with open(path, "w") as file:
                    file.write(str(n))
                yield path
"""


async def test_output_files(start: Any) -> None:
    async with start(FILES) as running:

        async def contents(kind: str) -> Any:
            result = await running.predict({"kind": kind}, id=f"id-{kind}")
            assert result.status == "succeeded", result.error
            return outgoing(result.output, running.out, Path.read_text)

        assert await contents("list") == ["0", "1", "2", "3", "4"]
        assert await contents("nested") == {"a": [{"b": "deep"}], "c": ["tuple", 1]}
        assert await contents("iterator") == ["0", "1", "2"]
        assert await contents("twice") == ["two", "two"]
        assert await contents("open") == "opened"
        assert await contents("kept") == "kept"
        assert await contents("kept") == "kept"
        assert await contents("claim") == "hearth-out:///etc/passwd"
        assert sorted(path.name for path in (running.out / "id-list" / "3").iterdir()) == ["same.txt"]
        # Paths that a prediction made and returned are moved; what it may use again is copied.
        assert {path.name for path in (running.folder / "tmp").rglob("*.txt")} == {"kept.txt", "frame.txt", "o.txt"}


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("missing", "/nowhere/x.png does not exist"),
        ("folder", "is a directory"),
        ("nan", "holds nan"),
        ("infinity", "holds inf"),
    ],
)
async def test_outputs_that_cannot_be_handed_over_fail(start: Any, kind: str, says: str) -> None:
    async with start(FILES) as running:
        result = await running.predict({"kind": kind})
        assert result.status == "failed"
        assert says in result.error


UNUSUAL = """
    import collections, datetime, decimal, uuid
    from typing import Any
    import pydantic
    class Root(pydantic.RootModel):
        root: list
    class Empty(pydantic.BaseModel):
        pass
    class Model(pydantic.BaseModel, extra="allow"):
        side: int = pydantic.Field(default=2, alias="edge")
        hidden: str = pydantic.Field(default="no", exclude=True)
        size: int = 1
        @pydantic.computed_field
        @property
        def area(self) -> int:
            return self.side ** 2
        @pydantic.field_serializer("size")
        def _size(self, value):
            return f"{value} cm"
    class Own(pydantic.BaseModel):
        a: int = 1
        @pydantic.model_serializer
        def _all(self):
            return {"own": self.a}
    class Thing:
        pass
    class Predictor:
        def predict(self, kind: str) -> Any:
            return {
                "decimals": [decimal.Decimal("1.5"), decimal.Decimal("3")],
                "uuid": uuid.UUID(int=5),
                "bytes": b"text",
                "no text": bytes([255]),
                "views": [{"a": 1}.keys(), {"a": 1}.values(), range(2), collections.deque([1]), map(str, [1])],
                "mapping": collections.ChainMap({"a": 1}),
                "times": [datetime.date(2024, 1, 2), datetime.timedelta(minutes=1)],
                "root": Root([1]),
                "empty": Empty(),
                "model": Model(edge=3, more=(1,)),
                "own": Own(),
                "thing": [Thing()],
            }[kind]
"""


async def test_outputs_that_json_does_not_know(start: Any) -> None:
    async with start(UNUSUAL) as running:
        expected = {
            "decimals": [1.5, 3],
            "uuid": "00000000-0000-0000-0000-000000000005",
            "bytes": "text",
            "views": [["a"], [1], [0, 1], [1], ["1"]],
            "mapping": {"a": 1},
            "times": ["2024-01-02", 60.0],
            "root": [1],
            "empty": {},
            "model": {"side": 3, "size": "1 cm", "more": [1], "area": 9},
            "own": {"own": 1},
        }
        assert {kind: (await running.predict({"kind": kind})).output for kind in expected} == expected
        assert "holds a builtins.bytes" in (await running.predict({"kind": "no text"})).error
        assert "holds a predict.Thing" in (await running.predict({"kind": "thing"})).error


async def test_inputs_of_every_kind(start: Any) -> None:
    source = """
        from enum import Enum
        from typing import Any, List, Optional
        from cog import BasePredictor, File, Input, Path, Secret
        class Size(Enum):
            SMALL = "s"
            LARGE = "l"
        class Predictor(BasePredictor):
            def predict(
                self,
                image: Path,
                old: File,
                text: str,
                anything: dict,
                images: List[Path] = Input(default=[]),
                maybe: Optional[Path] = Input(default=None),
                token: Secret = Input(default=None),
                number: float = 1.0,
                size: Size = Input(default=Size.SMALL),
            ) -> Any:
                known = [type(image).__name__, image.read_text(), old.read().decode(), old.name]
                image.unlink()
                return {
                    "known": known,
                    "images": [path.read_text() for path in images],
                    "plain": [text, anything["file"]],
                    "maybe": None if maybe is None else maybe.name,
                    "secret": [str(token), token.get_secret_value()],
                    "number": type(number).__name__,
                    "size": size.name,
                }
    """
    async with start(source) as running:
        paths = []
        for name in ("one", "two", "three"):
            path = running.folder / f"{name}.txt"
            path.write_text(name)
            paths.append(path)
        reference = incoming(paths[0])
        result = await running.predict(
            {
                "image": reference,
                "old": incoming(paths[1]),
                "text": reference,
                "anything": {"file": reference},
                "images": [incoming(paths[1]), incoming(paths[2])],
                "token": "topsecret",
                "number": 3,
                "size": "l",
            }
        )
        assert result.status == "succeeded", result.error
        assert result.output == {
            "known": ["Path", "one", "two", str(paths[1])],
            "images": ["two", "three"],
            "plain": [reference, reference],
            "maybe": None,
            "secret": ["**********", "topsecret"],
            "number": "float",
            "size": "LARGE",
        }
        assert not paths[0].exists()


async def test_inputs_are_what_their_annotations_say(start: Any) -> None:
    source = """
        from __future__ import annotations
        from dataclasses import dataclass
        from enum import Enum
        from typing import Annotated, Any, List, Optional, Set, Tuple
        import pydantic
        from cog import BasePredictor, Input, Path, Secret
        class Size(Enum):
            SMALL = "s"
        @dataclass
        class Point:
            x: float
            near: Optional[Point] = None
        class Query(pydantic.BaseModel):
            words: List[str]
            limit: int = 3
        class Predictor(BasePredictor):
            def predict(
                self,
                tags: Set[int] = Input(default=[1, 1]),
                pair: Tuple[float, ...] = Input(default=[]),
                sizes: List[Size] = Input(default=[]),
                point: Point = Input(default=None),
                points: Optional[List[Point]] = None,
                query: Query = Input(default=None),
                number: Annotated[Optional[float], "note"] = None,
                anything: Any = None,
                size: Size = Input(default="s"),
                token: Secret = Input(default="sesame"),
                example: Path = Input(default="examples/cat.png"),
                picture: Path = Input(default="https://example.com/a.png"),
            ) -> str:
                assert (size.name, token.get_secret_value(), example.suffix) == ("SMALL", "sesame", ".png")
                assert str(picture) == "https://example.com/a.png"
                return repr((tags, pair, sizes, point, points, query, number, anything))
    """
    async with start(source) as running:
        result = await running.predict(
            {
                "tags": [3, 3.0],
                "pair": [1, 2],
                "sizes": ["s"],
                "point": {"x": 1, "near": {"x": 2}},
                "points": [{"x": 3}],
                "query": {"words": ["a"]},
                "number": 4,
                "anything": [1, "b"],
            }
        )
        assert result.output == (
            "({3}, (1.0, 2.0), [<Size.SMALL: 's'>], Point(x=1.0, near=Point(x=2.0, near=None)),"
            " [Point(x=3.0, near=None)], Query(words=['a'], limit=3), 4.0, [1, 'b'])"
        )
        assert (await running.predict({"query": {"limit": 1}})).error.startswith("ValidationError: ")


async def test_a_default_that_the_model_changes_is_new_for_the_next(start: Any) -> None:
    source = """
        from typing import Any
        from cog import BasePredictor, Input
        class Predictor(BasePredictor):
            def predict(self, items: list = Input(default=[1]), table: dict = {"a": [2]}) -> Any:
                items.append(9)
                table["a"].append(9)
                return [items, table]
    """
    async with start(source) as running:
        for _ in range(2):
            assert (await running.predict({})).output == [[1, 9], {"a": [2, 9]}]
        assert (await running.predict({"items": [3]})).output[0] == [3, 9]


async def test_models_written_for_older_cog(start: Any) -> None:
    source = """
        from typing import List, Optional
        import pydantic
        from cog import BaseModel, BasePredictor, File, Input, Path
        class Box(BaseModel):
            label: Optional[str]
            corners: List[int] = []
            score: float
        class Picture(pydantic.BaseModel):
            image: Path
            boxes: List[int] = [1]
            class Config:
                arbitrary_types_allowed = True
        class Output(BaseModel):
            box: Box
            picture: Optional[Picture]
            as_text: str
        class Predictor(BasePredictor):
            def predict(self, name: str = Input("default", description="positional")) -> Output:
                with open("made.txt", "w") as file:
                    file.write(name)
                box = Box(score=0.5)
                return Output(box=box, picture=Picture(image=Path("made.txt")), as_text=box.json())
    """
    described = await start.describe(source)
    output = described.openapi_schema["components"]["schemas"]["Output"]
    assert output["required"] == ["box", "as_text"]
    assert output["properties"]["box"]["required"] == ["score"]
    assert output["properties"]["picture"]["properties"]["image"]["format"] == "uri"
    async with start(source) as running:
        result = await running.predict()
        assert result.status == "succeeded", result.error
        assert outgoing(result.output, running.out, Path.read_text) == {
            "box": {"label": None, "corners": [], "score": 0.5},
            "picture": {"image": "default", "boxes": [1]},
            "as_text": '{"label": null, "corners": [], "score": 0.5}',
        }


async def test_train_function_runs_as_a_prediction(start: Any) -> None:
    source = """
        from cog import BaseModel, Input, Path
        class TrainingOutput(BaseModel):
            weights: Path
        def train(steps: int = Input(default=3, le=5)) -> TrainingOutput:
            for step in range(steps):
                print("step", step)
            with open("weights.bin", "w") as file:
                file.write("w" * steps)
            return TrainingOutput(weights=Path("weights.bin"))
    """
    async with start(source, train="predict.py:train") as running:
        result = await running.predict({"steps": 2})
        assert result.logs == "step 0\nstep 1\n"
        assert outgoing(result.output, running.out, Path.read_text) == {"weights": "ww"}
        with pytest.raises(InvalidInput):
            await running.predict({"steps": 9})


async def test_train_class_runs_as_a_prediction(start: Any) -> None:
    source = """
        class Trainer:
            def train(self, steps: int = 1) -> str:
                return "trained " * steps
    """
    async with start(source, train="predict.py:Trainer") as running:
        assert (await running.predict({"steps": 2})).output == "trained trained "


async def test_weights_reach_setup(start: Any) -> None:
    source = """
        from cog import Path
        class Predictor:
            def setup(self, weights):
                self.weights = weights
            def run(self) -> str:
                return str(self.weights)
    """
    assert (await start.describe(source)).takes_weights
    async with start(source, weights="https://example.com/w.tar") as running:
        assert (await running.predict()).output == "https://example.com/w.tar"


@pytest.mark.parametrize(
    ("annotation", "got"),
    [("File", "b'trained'"), ("Path", "'trained'"), ("Optional[Path] = None", "'trained'"), ("str", "text")],
)
async def test_setup_gets_weights_as_the_type_it_asks_for(
    start: Any, tmp_path: Path, annotation: str, got: str
) -> None:
    source = f"""
        from typing import Optional
        from cog import File, Path
        def logged(method):
            def wrapper(*args, **kwargs):
                return method(*args, **kwargs)
            return wrapper
        class Predictor:
            @logged
            def setup(self, weights: {annotation}):
                self.weights = weights
            def run(self) -> str:
                if isinstance(self.weights, str):
                    return "text"
                return repr(self.weights.read_text() if isinstance(self.weights, Path) else self.weights.read())
    """
    path = tmp_path / "trained.bin"
    path.write_text("trained")
    async with start(source, weights=str(path)) as running:
        assert (await running.predict()).output == got


async def test_a_model_has_its_own_wrapper_and_nothing_to_read(start: Any) -> None:
    source = """
        with open("wrapper.py", "w") as file:
            file.write("MINE = 'mine'")
        import wrapper
        class Predictor:
            def run(self) -> str:
                try:
                    return input()
                except EOFError:
                    return wrapper.MINE
    """
    async with start(source) as running:
        assert (await running.predict()).output == "mine"


async def test_a_child_process_has_nothing_to_read_but_what_it_is_given(start: Any) -> None:
    source = """
        import subprocess
        class Predictor:
            def run(self, given: str = "") -> str:
                options = {"input": given.encode()} if given else {}
                return subprocess.run(["cat"], capture_output=True, timeout=10, **options).stdout.decode()
    """
    async with start(source) as running:
        assert [(await running.predict({"given": given})).output for given in ("", "a", "")] == ["", "a", ""]


async def test_decorated_functions_are_seen_through(start: Any) -> None:
    source = """
        import functools
        def timed(function):
            @functools.wraps(function)
            def call(*args, **kwargs):
                return function(*args, **kwargs)
            return call
        def careless(function):
            def call(*args, **kwargs):
                return function(*args, **kwargs)
            return call
        from cog import Input
        class Predictor:
            @careless
            @timed
            def run(self, n: int = Input(default=5)) -> int:
                return n + 1
    """
    async with start(source) as running:
        assert (await running.predict()).output == 6
        assert (await running.predict({"n": 1})).output == 2


async def test_partials_and_changed_signatures_count(start: Any) -> None:
    source = """
        import functools, inspect
        from cog import Input
        def without(function, **fixed):
            def call(self, *args, **kwargs):
                return function(self, *args, **kwargs, **fixed)
            functools.update_wrapper(call, function)
            signature = inspect.signature(function)
            kept = [p for name, p in signature.parameters.items() if name not in fixed]
            call.__signature__ = signature.replace(parameters=kept)
            return functools.partialmethod(call)
        class Predictor:
            def general(self, prompt: "str" = Input(default="x"), times: int = 1, system: str = "") -> str:
                return system + prompt * times
            predict = without(general, system="> ")
    """
    described = await start.describe(source)
    assert set(described.openapi_schema["components"]["schemas"]["Input"]["properties"]) == {"prompt", "times"}
    async with start(source, described=described) as running:
        assert (await running.predict()).output == "> x"
        assert (await running.predict({"prompt": "y", "times": 2})).output == "> yy"
    source = """
        import functools
        def general(prompt: str, times: int) -> str:
            return prompt * times
        train = functools.partial(general, times=2)
    """
    async with start(source, train="predict.py:train") as running:
        assert (await running.predict({"prompt": "y"})).output == "yy"
    source = """
        from inspect import Parameter, Signature
        def call(**inputs) -> str:
            return repr(inputs)
        call.__signature__ = Signature([Parameter("n", Parameter.KEYWORD_ONLY, annotation=int, default=3)])
        class Predictor:
            run = staticmethod(call)
    """
    async with start(source) as running:
        assert (await running.predict({"n": 4})).output == "{'n': 4}"


async def test_setup_failure_shows_its_last_lines(start: Any) -> None:
    source = """
        class Predictor:
            def setup(self):
                for n in range(5):
                    print("loading part", n)
                raise RuntimeError("weights are missing")
            def run(self) -> str:
                return ""
    """
    async with start(source) as running:
        assert running.health.status == "SETUP_FAILED"
        messages = "\n".join(running.messages())
        assert "loading part 4" in messages
        assert "Traceback (most recent call last)" in messages
        assert "RuntimeError: weights are missing" in messages
        assert 'raise RuntimeError("weights are missing")' in messages
        assert "wrapper.py" not in messages


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("import wheels_and_gears", "in <module>"),
        (
            "class Predictor:\n    def __init__(self):\n        raise RuntimeError('no')\n    def run(self): ...",
            "in __init__",
        ),
        ("class Other: ...", "has no Runner or Predictor"),
        ("this is no Python", "SyntaxError"),
    ],
)
async def test_import_failure_shows_the_models_frames_only(start: Any, source: str, shown: str) -> None:
    described = await start.describe(SYNC)
    async with start(source, described=described) as running:
        assert running.health.status == "SETUP_FAILED"
        messages = "\n".join(running.messages())
        assert shown in messages
        assert "predict.py" in messages
        for ours in ("wrapper.py", "loading.py", "frozen importlib"):
            assert ours not in messages


async def test_healthcheck_passes_through(start: Any) -> None:
    source = """
        class Predictor:
            def run(self) -> str:
                return "ok"
            def healthcheck(self) -> bool:
                return False
    """
    async with start(source) as running:
        assert running.health.status == "UNHEALTHY"
        assert not running.health.worker_dead
        assert running.health.accepts


async def test_old_style_async_setup_failure(start: Any) -> None:
    source = """
        class Predictor:
            async def setup(self):
                print("async part")
                raise RuntimeError("async trouble")
            async def run(self) -> str:
                return ""
    """
    async with start(source) as running:
        assert running.health.status == "SETUP_FAILED"
        assert "async trouble" in "\n".join(running.messages())
