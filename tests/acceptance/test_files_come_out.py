"""File outputs are file objects in every client, wherever they are in the output, and are served as files should be."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
import replicate


def test_python_1_reads_a_file(py1: replicate.Client, models: Any) -> None:
    output = py1.run(models("output-path").name, input={"text": "some text"})
    assert output.url.startswith("https://")
    assert output.url.endswith("/note.txt")
    assert output.read() == b"some text"
    assert b"".join(output) == b"some text"


async def test_python_1_reads_a_file_in_a_coroutine(async_py1: replicate.Client, models: Any) -> None:
    output = await async_py1.async_run(models("output-path").name, input={"text": "some text"})
    assert await output.aread() == b"some text"
    assert b"".join([chunk async for chunk in output]) == b"some text"


def test_python_1_reads_lists_and_objects(py1: replicate.Client, models: Any) -> None:
    pages = py1.run(models("output-list-path").name)
    assert [page.read() for page in pages] == [b"page 0", b"page 1", b"page 2"]
    [page] = py1.run(models("output-list-path").name, input={"count": 1})
    assert page.read() == b"page 0"
    report = py1.run(models("output-object").name)
    assert report["title"] == "two parts"
    assert [(p["name"], p["file"].read()) for p in report["parts"]] == [
        ("part 0", b"content 0"),
        ("part 1", b"content 1"),
    ]
    assert report["by_name"]["cover"].read() == b"cover"
    made = py1.run(models("output-iterator-path").ref)
    assert [page.read() for page in made] == [b"page 0", b"page 1", b"page 2"]


def test_python_2_reads_files(py2: Any, models: Any) -> None:
    assert py2("return replicate.run(ref, input={}).read().decode()", ref=models("output-path").name) == "one file"
    code = "return [page.read().decode() for page in replicate.run(ref, input={})]"
    assert py2(code, ref=models("output-list-path").name) == ["page 0", "page 1", "page 2"]
    code = """
    report = replicate.run(ref, input={})
    return [report["title"], *(part["file"].read().decode() for part in report["parts"])]
    """
    assert py2(code, ref=models("output-object").name) == ["two parts", "content 0", "content 1"]
    code = """
    one = replicate.use(single)()
    return [open(one).read(), *(open(path).read() for path in replicate.use(several)(count=2))]
    """
    texts = py2(code, single=models("output-path").name, several=models("output-list-path").name)
    assert texts == ["one file", "page 0", "page 1"]
    code = """
    async with replicate.AsyncReplicate() as client:
        return (await (await client.run(ref, input={})).read()).decode()
    """
    assert py2(code, ref=models("output-path").name) == "one file"


def test_node_reads_files(js: Any, models: Any) -> None:
    code = """
    const output = await replicate.run(ref, { input: { text: "some text" } });
    const blob = await output.blob();
    return [await blob.text(), blob.type, output.url().protocol];
    """
    text, kind, protocol = js(code, ref=models("output-path").name)
    assert (text, kind.partition(";")[0], protocol) == ("some text", "text/plain", "https:")
    code = """
    const read = async (file) => await (await file.blob()).text();
    const { title, parts, by_name } = await replicate.run(ref, { input: {} });
    return [title, ...(await Promise.all(parts.map((part) => read(part.file)))), await read(by_name.cover)];
    """
    assert js(code, ref=models("output-object").name) == ["two parts", "content 0", "content 1", "cover"]
    code = """
    const texts = [];
    for (const file of await replicate.run(ref, { input: {} }))
      for await (const chunk of file) texts.push(Buffer.from(chunk).toString());
    return texts;
    """
    for model in ("output-list-path", "output-iterator-path"):
        assert js(code, ref=models(model).name) == ["page 0", "page 1", "page 2"]


@pytest.fixture
def url(api: Any, models: Any) -> str:
    return str(api.create(models("output-path").name, {"text": "0123456789"}, hold=30)["output"])


def test_files_are_served_as_files_should_be(url: str, api: Any) -> None:
    nobody = httpx.Client(verify=api.http._transport._pool._ssl_context, trust_env=False)
    with nobody:
        whole = nobody.get(url)
        assert (whole.status_code, whole.text) == (200, "0123456789")
        assert whole.headers["content-type"].partition(";")[0] == "text/plain"
        assert whole.headers["content-length"] == "10"
        assert whole.headers["accept-ranges"] == "bytes"
        assert whole.headers["access-control-allow-origin"] == "*"
        assert whole.headers["x-content-type-options"] == "nosniff"
        part = nobody.get(url, headers={"Range": "bytes=2-4"})
        assert (part.status_code, part.text) == (206, "234")
        assert part.headers["content-range"] == "bytes 2-4/10"
        assert nobody.get(url, headers={"Range": "bytes=-3"}).text == "789"
        assert nobody.get(url, headers={"Range": "bytes=20-"}).status_code == 416
        assert nobody.get(url, headers={"If-None-Match": whole.headers["etag"]}).status_code == 304
        head = nobody.head(url)
        assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", "10")
        assert nobody.get(url, headers={"Authorization": "Bearer nonsense"}).status_code == 200
        assert nobody.get(url.replace("/note.txt", "/other.txt")).status_code == 404
        assert nobody.get(url.replace("/note.txt", "x/note.txt")).status_code == 404
        assert nobody.get(url.replace("note.txt", "..%2F..%2Fhearth.db")).status_code == 404


ODD = """
import tempfile
from cog import BaseRunner, Path


class Predictor(BaseRunner):
    def run(self) -> list[Path]:
        folder = Path(tempfile.mkdtemp())
        paths = [folder / "ä b?c#d%.txt", folder / "plain", folder / "page.html"]
        for path in paths:
            path.write_text(path.name)
        return paths
"""


def test_odd_names_are_safe_and_found(py1: replicate.Client, js: Any, models: Any) -> None:
    model = models.write("odd-names", ODD)
    names = [file.read().decode() for file in py1.run(model.name)]
    assert names == ["ä b?c#d%.txt", "plain", "page.html"]
    code = """
    const files = await replicate.run(ref, { input: {} });
    return await Promise.all(files.map(async (file) => await (await file.blob()).text()));
    """
    assert js(code, ref=model.name) == names


OUTSIDE = """
from cog import BaseRunner, Path


class Predictor(BaseRunner):
    def run(self, path: str = "/etc/passwd") -> str:
        return "hearth-out://" + path
"""


def test_a_model_cannot_name_files_that_are_not_its_own(api: Any, models: Any) -> None:
    prediction = api.run(models.write("outside", OUTSIDE).name)
    assert "/v1/files/" not in json.dumps(prediction["output"])
    assert prediction["status"] == "failed", prediction
    assert "output" in prediction["error"]


def test_a_large_file_comes_out_whole(py1: replicate.Client, models: Any) -> None:
    output = py1.run(models("big-output").name, input={"text_mb": 2, "file_mb": 20})
    assert len(output["text"]) == 2_000_000
    assert len(output["file"].read()) == 20_000_000
