"""Whatever a client makes of a file, the model gets its bytes, and its name where the client sends one."""

from __future__ import annotations

import base64
import hashlib
import io
from pathlib import Path
from typing import Any

import httpx
import pytest
import replicate

PICTURE = bytes(range(256)) * 100
DIGEST = hashlib.sha256(PICTURE).hexdigest()
SEEN = {"size": len(PICTURE), "sha256": DIGEST}
DATA_URI = "data:image/png;base64," + base64.b64encode(PICTURE).decode()


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "my picture.png"
    path.write_bytes(PICTURE)
    return path


def same(found: list[dict[str, Any]], count: int = 1) -> list[str]:
    """The names, once every file has been found to be the picture."""
    assert [{k: v for k, v in file.items() if k != "name"} for file in found] == [SEEN] * count
    return [file["name"] for file in found]


def test_python_1_sends_files(py1: replicate.Client, models: Any, picture: Path) -> None:
    ref = models("files-echo").name
    with picture.open("rb") as stream:
        [name] = same(py1.run(ref, input={"file": stream}))
    assert name.endswith(".png")
    with picture.open("rb") as stream:
        found = py1.run(ref, input={"file": stream, "more": [picture, io.BytesIO(PICTURE)]})
    same(found, 3)
    with picture.open("rb") as stream:
        [name] = same(py1.run(ref, input={"file": stream}, file_encoding_strategy="base64"))
    assert name.endswith(".png")


async def test_python_1_sends_files_from_coroutines(async_py1: replicate.Client, models: Any, picture: Path) -> None:
    with picture.open("rb") as stream:
        same(await async_py1.async_run(models("files-echo").name, input={"file": stream}))


def test_python_2_sends_files(py2: Any, models: Any, picture: Path) -> None:
    code = """
    import io, pathlib
    path = pathlib.Path(picture)
    inputs = {"file": path.open("rb"), "more": [path, io.BytesIO(path.read_bytes())]}
    return [replicate.run(ref, input=inputs), replicate.use(ref)(file=path.open("rb")),
            replicate.run(ref, input={"file": path.open("rb")}, file_encoding_strategy="base64")]
    """
    first, second, third = py2(code, ref=models("files-echo").name, picture=str(picture))
    same(first, 3)
    same(second)
    same(third)
    code = """
    import pathlib
    async with replicate.AsyncReplicate() as client:
        return await client.run(ref, input={"file": pathlib.Path(picture).open("rb")})
    """
    same(py2(code, ref=models("files-echo").name, picture=str(picture)))


@pytest.mark.parametrize("strategy", ["default", "upload"])
def test_node_sends_files(strategy: str, js: Any, models: Any, picture: Path) -> None:
    code = """
    const bytes = require("node:fs").readFileSync(picture);
    const { File } = require("node:buffer");
    const client = new Replicate({ baseUrl: process.env.REPLICATE_BASE_URL, fileEncodingStrategy: strategy });
    const file = new File([bytes], "named.png", { type: "image/png" });
    return await client.run(ref, { input: { file, more: [new Blob([bytes], { type: "image/png" }), bytes] } });
    """
    names = same(js(code, ref=models("files-echo").name, picture=str(picture), strategy=strategy), 3)
    assert names[0].endswith("named.png")


def test_files_by_url_and_data_uri(api: Any, models: Any, site: Any) -> None:
    url = site.put("picture.png", PICTURE, "image/png")
    prediction = api.run(models("files-echo").name, {"file": url, "more": [DATA_URI, url + "?again=1"]})
    names = same(prediction["output"], 3)
    assert names[0].endswith("picture.png")
    assert names[1].endswith(".png")
    assert prediction["input"]["file"] == url
    assert all("authorization" not in headers for headers in site.asked)


def test_the_uploaded_file_is_known_by_its_address(api: Any, models: Any) -> None:
    stored = api.call("POST", "files", files={"content": ("picture.png", PICTURE, "image/png")})
    ref = models("files-echo").name
    [name] = same(api.run(ref, {"file": stored["urls"]["get"]})["output"])
    assert name.endswith("picture.png")
    elsewhere = stored["urls"]["get"].replace("127.0.0.1", "localhost")
    same(api.run(ref, {"file": elsewhere})["output"])


def test_a_file_that_is_not_there_is_a_clear_error(api: Any, models: Any, site: Any) -> None:
    gone = site.put("here", b"").replace("/here", "/gone.png")
    prediction = api.run(models("files-echo").name, {"file": gone})
    assert prediction["status"] == "failed"
    assert "404" in prediction["error"]
    assert "gone.png" in prediction["error"]


@pytest.mark.parametrize("text", ["/etc/passwd", "file:///etc/passwd", "ftp://host/x", "just text", "data:nonsense"])
def test_no_other_string_is_a_file(text: str, api: Any, models: Any) -> None:
    body = {"version": models("files-echo").name, "input": {"file": text}}
    response = api.http.post("predictions", json=body)
    assert response.status_code == 422
    assert response.json()["invalid_fields"][0]["field"] == "input.file"


def test_cloud_metadata_is_out_of_reach(api: Any, models: Any) -> None:
    prediction = api.run(models("files-echo").name, {"file": "http://169.254.169.254/latest/meta-data"})
    assert prediction["status"] == "failed"
    assert "169.254.169.254" in prediction["error"]
    assert prediction["started_at"] is None


def test_another_accounts_upload_is_not_there(api: Any, other: Any, models: Any) -> None:
    stored = api.call("POST", "files", files={"content": ("picture.png", PICTURE, "image/png")})
    assert other.http.get(f"files/{stored['id']}").status_code == 404
    body = {"version": models("files-echo").name, "input": {"file": stored["urls"]["get"]}}
    refused = other.http.post("predictions", json=body)
    assert refused.status_code == 422
    assert refused.json()["invalid_fields"][0]["field"] == "input.file"


def test_clients_keep_their_files(py1: replicate.Client, py2: Any, js: Any, picture: Path) -> None:
    made = py1.files.create(picture, metadata={"colour": "blue"})
    assert (made.name, made.content_type, made.size) == ("my picture.png", "image/png", len(PICTURE))
    assert made.metadata == {"colour": "blue"}
    assert made.checksums["sha256"] == DIGEST
    assert made.id in [file.id for file in py1.files.list()]
    assert py1.files.get(made.id).etag == made.etag
    assert py1.files.delete(made.id) is True
    with pytest.raises(replicate.exceptions.ReplicateError) as caught:
        py1.files.get(made.id)
    assert caught.value.status == 404

    code = """
    import pathlib
    client = replicate.Replicate()
    made = client.files.create(content=pathlib.Path(picture), metadata={"colour": "blue", "nested": {"a": 1}})
    found = client.files.get(file_id=made.id)
    listed = made.id in [file.id for file in client.files.list()]
    client.files.delete(file_id=made.id)
    return [found.name, found.content_type, found.size, found.metadata, listed]
    """
    name, kind, size, metadata, listed = py2(code, picture=str(picture))
    assert (name, kind, size, listed) == ("my picture.png", "image/png", len(PICTURE), True)
    assert metadata["colour"] == "blue"
    assert str(metadata["nested"]["a"]) == "1"

    code = """
    const bytes = require("node:fs").readFileSync(picture);
    const { File } = require("node:buffer");
    const file = new File([bytes], "named.png", { type: "image/png" });
    const made = await replicate.files.create(file, { colour: "blue" });
    const found = await replicate.files.get(made.id);
    const listed = (await replicate.files.list()).results.some((file) => file.id === made.id);
    return [found.name, found.content_type, found.size, found.metadata, listed, await replicate.files.delete(made.id)];
    """
    assert js(code, picture=str(picture)) == ["named.png", "image/png", len(PICTURE), {"colour": "blue"}, True, True]


def test_an_upload_that_is_too_large_is_refused(api: Any) -> None:
    def endless() -> Any:
        yield b'--b\r\nContent-Disposition: form-data; name="content"; filename="big"\r\n\r\n'
        for _ in range(101):
            yield bytes(1 << 20)
        yield b"\r\n--b--\r\n"

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    try:
        response = api.http.post("files", content=endless(), headers=headers)
    except httpx.TransportError:
        pytest.fail("The server must read on until its answer can be read.")
    assert response.status_code == 413
    assert "100" in response.json()["detail"]
