"""Files in and out, and secrets that must show nowhere."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from hearth import ids
from hearth.domain.events import Kind
from hearth.domain.file import File, FileKind, parse_reference
from hearth.domain.prediction import Phase
from hearth.errors import InstanceLost
from hearth.runtime.base import FILE_INPUT, FILE_OUTPUT, Began, Logged, Measured, Outcome, Yielded
from hearth.testing.engine import FILE, ITERATOR, SECRET, schema
from hearth.testing.runtime import FakeRun, FakeRuntime

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 100


def content(value: str) -> bytes:
    assert value.startswith(FILE_INPUT)
    return Path(value.removeprefix(FILE_INPUT)).read_bytes()


async def read(bench: Any, reference: str) -> tuple[File, bytes]:
    parsed = parse_reference(reference)
    assert parsed is not None
    file = await bench.store.files.get(parsed[0])
    assert file.name == parsed[1]
    return file, await bench.blobs.get(file.key)


async def test_file_inputs_become_private_local_copies(started: Any) -> None:
    seen: dict[str, Any] = {}

    async def model(run: FakeRun) -> Outcome:
        for name, value in run.job.input.items():
            seen[name] = [content(item) for item in (value if isinstance(value, list) else [value])]
        return Outcome(status="succeeded")

    bench = await started(runtime=FakeRuntime(model))
    version = await bench.version(document=schema(image=FILE, more={"type": "array", "items": FILE}))
    account = await bench.account()
    stored = await bench.blobs.put("files/aa/x", b"x")
    file = File(
        id=ids.random32(),
        account_id=account.id,
        kind=FileKind.UPLOAD,
        name="a.txt",
        content_type="text/plain",
        size=stored.size,
        sha256=stored.sha256,
        md5=stored.md5,
        created_at=bench.clock.now(),
    )
    await bench.blobs.put(file.key, b"uploaded")
    await bench.store.files.add(file)
    bench.fetcher.contents = {"https://example.com/b": b"fetched", "data:,c": b"c"}
    input = {"image": file.reference, "more": ["https://example.com/b", "data:,c"]}
    prediction = await bench.run(version, input)
    assert prediction.phase is Phase.SUCCEEDED, prediction.error
    assert seen == {"image": [b"uploaded"], "more": [b"fetched", b"c"]}
    assert prediction.input == input
    assert not list(bench.options.folder.glob("inputs/*"))
    assert await bench.blobs.get(file.key) == b"uploaded"


async def test_a_text_input_that_looks_like_a_file_is_left_alone(started: Any) -> None:
    bench = await started()
    prediction = await bench.run(await bench.version(), {"text": "https://example.com/x"})
    assert prediction.output == "https://example.com/x"
    assert not bench.fetcher.started.is_set()


async def test_an_input_that_cannot_be_read_fails_and_names_it(started: Any) -> None:
    bench = await started()
    version = await bench.version(document=schema(image=FILE))
    prediction = await bench.run(version, {"image": "https://example.com/gone"})
    assert (prediction.phase, prediction.started_at) == (Phase.FAILED, None)
    assert prediction.error == "The input 'image' could not be read: the server answered 404."
    expired = await bench.run(version, {"image": f"hearth-file:{ids.random32()}/a.png"})
    assert "does not exist any more" in expired.error
    assert not list(bench.options.folder.glob("inputs/*"))


async def test_output_files_are_stored_under_our_names(started: Any, tmp_path: Path) -> None:
    async def model(run: FakeRun) -> Outcome:
        run.emit(Began())
        write = run.instance.write
        return Outcome(
            status="succeeded",
            output={
                "image": write(tmp_path / "one" / "out.png", PNG),
                "list": [write(tmp_path / "two" / "out.png", b"2"), "text", {"x": write(tmp_path / "n" / "d", PNG)}],
            },
        )

    bench = await started(runtime=FakeRuntime(model))
    prediction = await bench.run(await bench.version())
    assert prediction.phase is Phase.SUCCEEDED, prediction.error
    first, content = await read(bench, prediction.output["image"])
    assert (first.name, first.content_type, first.size, content) == ("out.png", "image/png", len(PNG), PNG)
    assert (first.kind, first.prediction_id, first.account_id) == (
        FileKind.OUTPUT,
        prediction.id,
        prediction.account_id,
    )
    second, content = await read(bench, prediction.output["list"][0])
    assert (second.name, content) == ("out-2.png", b"2")
    assert prediction.output["list"][1] == "text"
    third, _ = await read(bench, prediction.output["list"][2]["x"])
    assert (third.name, third.content_type) == ("d", "image/png")
    assert not (tmp_path / "one" / "out.png").exists()


async def test_files_of_an_iterator_keep_their_order_among_the_other_items(started: Any, tmp_path: Path) -> None:
    async def model(run: FakeRun) -> Outcome:
        run.emit(Began())
        items = ["a", run.instance.write(tmp_path / "b.txt", b"b"), "c", run.instance.write(tmp_path / "d.txt", b"d")]
        for item in items:
            run.emit(Yielded(item))
        return Outcome(status="succeeded", output=items)

    bench = await started(runtime=FakeRuntime(model))
    prediction = await bench.run(await bench.version(document=schema(output=ITERATOR)))
    output = prediction.output
    assert (output[0], output[2], len(output)) == ("a", "c", 4)
    assert [(await read(bench, output[n]))[1] for n in (1, 3)] == [b"b", b"d"]
    events = [e.data for e in await bench.store.predictions.events(prediction.id) if e.kind is Kind.OUTPUT]
    assert events == output


async def test_a_missing_or_too_large_output_file_fails_clearly(started: Any, tmp_path: Path) -> None:
    async def model(run: FakeRun) -> Outcome:
        run.emit(Began())
        output = run.job.input["text"]
        if output == "large":
            output = run.instance.write(tmp_path / "large.bin", b"0" * 11)
        return Outcome(status="succeeded", output=output)

    bench = await started(runtime=FakeRuntime(model), max_output_file=10)
    version = await bench.version()
    missing = await bench.run(version, {"text": f"{FILE_OUTPUT}{tmp_path}/none.png"})
    assert (missing.phase, missing.output) == (Phase.FAILED, None)
    assert "'none.png' could not be stored" in missing.error
    large = await bench.run(version, {"text": "large"})
    assert "11 bytes are more than the limit of 10" in large.error
    assert (await bench.run(version)).phase is Phase.SUCCEEDED


async def test_data_uris_become_files_where_the_schema_says_file(started: Any) -> None:
    uri = "data:image/png;base64," + base64.b64encode(PNG).decode()
    bench = await started()
    kept = await bench.run(await bench.version("text"), {"text": uri})
    assert kept.output == uri
    stored = await bench.run(await bench.version("file", schema(text={"type": "string"}, output=FILE)), {"text": uri})
    file, content = await read(bench, stored.output)
    assert (file.name, file.content_type, content) == ("output.png", "image/png", PNG)


async def test_secrets_reach_the_model_and_show_nowhere(started: Any) -> None:
    secret = "hunter2-hunter2"
    seen: list[str] = []

    async def model(run: FakeRun) -> Outcome:
        seen.append(run.job.input["key"])
        run.emit(Began())
        run.emit(Logged("using hunter2"))
        run.emit(Logged("-hunter2 now\nand hunt"))
        run.emit(Yielded(f"item {secret}"))
        run.emit(Measured("note", {"k": secret}))
        if run.job.input["text"] == "fail":
            return Outcome(status="failed", error=f"KeyError: {secret}", metrics={"note": {"k": secret}})
        return Outcome(status="succeeded", output=[f"item {secret}", {secret: secret}], metrics={"m": secret})

    bench = await started(runtime=FakeRuntime(model))
    version = await bench.version(document=schema(text={"type": "string"}, key=SECRET))
    for text in ("go", "fail"):
        masked = {"text": text, "key": "**********"}
        prediction = await bench.run(
            version, masked, secrets={"key": secret}, webhook="http://example.com", webhook_events=("logs", "completed")
        )
        assert prediction.logs == "using ********** now\nand hunt"
        assert prediction.output[0] == "item **********"
        row = repr(prediction) + repr(await bench.store.predictions.events(prediction.id))
        assert secret not in row
        assert prediction.input == masked
    assert seen == [secret, secret]
    for post in await bench.sender.wait(2):
        assert secret.encode() not in post.raw


async def test_the_last_lines_of_a_dead_instance_are_masked(started: Any) -> None:
    async def model(run: FakeRun) -> Outcome:
        run.instance.die("Worker crashed")
        raise InstanceLost("Worker crashed", logs="token hunter2-hunter2\n")

    bench = await started(runtime=FakeRuntime(model))
    version = await bench.version(document=schema(key=SECRET))
    prediction = await bench.run(version, {"key": "**********"}, secrets={"key": "hunter2-hunter2"})
    assert prediction.error.endswith("token **********")
