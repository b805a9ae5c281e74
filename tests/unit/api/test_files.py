from __future__ import annotations

import io
from typing import Any

import httpx
import msgspec
import pytest
from replicate.client import Client

FILE_ID = "1fqzzq8p2srgm0cjb2zaj681jr"
OUTPUT = f"/v1/files/{FILE_ID}/out-0.png"


async def test_an_upload_is_answered_with_its_record(client: Any) -> None:
    response = await client.post("/v1/files", files={"content": ("a.txt", b"hello", "text/plain")})
    assert response.status_code == 201
    assert response.json() == {
        "id": FILE_ID,
        "name": "out-0.png",
        "content_type": "image/png",
        "size": 10,
        "etag": "cd" * 16,
        "checksums": {"sha256": "ab" * 32, "md5": "cd" * 16},
        "metadata": {},
        "created_at": "2023-11-14T22:13:20Z",
        "expires_at": None,
        "urls": {
            "get": f"https://hearth.test/v1/files/{FILE_ID}",
            "download": f"https://hearth.test/v1/files/{FILE_ID}/download?owner=ada&expiry=9&signature=go%2Bod%3D",
        },
    }


async def test_the_official_python_client_uploads(client: httpx.AsyncClient, world: Any) -> None:
    official = Client(api_token="r8_x", base_url="https://hearth.test", transport=client._transport)
    file = io.BytesIO(b"x" * 100_000)
    file.name = "/some/where/photo.jpg"
    got = await official.files.async_create(file, metadata={"a": {"b": 1}})
    assert got.id == FILE_ID
    assert world.uploaded == {
        "name": "photo.jpg",
        "content_type": "image/jpeg",
        "metadata": {"a": {"b": 1}},
        "content": b"x" * 100_000,
    }
    plain = await official.files.async_create(io.BytesIO(b""))
    assert plain.id == FILE_ID
    assert (world.uploaded["metadata"], world.uploaded["content"]) == ({}, b"")


def form(*parts: tuple[str, bytes]) -> dict[str, Any]:
    """A request with hand-made parts: (headers, content)."""
    boundary = "----b0undary"
    body = b"".join(f"--{boundary}\r\n{head}\r\n\r\n".encode() + data + b"\r\n" for head, data in parts)
    return {
        "content": body + f"--{boundary}--\r\n".encode(),
        "headers": {"Content-Type": f"multipart/form-data; boundary={boundary}"},
    }


def field(name: str, *more: str) -> str:
    return "\r\n".join([f'Content-Disposition: form-data; name="{name}"', *more])


async def test_the_second_python_clients_bracketed_fields(client: Any, world: Any) -> None:
    request = form(
        (
            field("content").replace('"content"', '"content"; filename="upload"')
            + "\r\nContent-Type: application/octet-stream",
            b"\r\n--x",
        ),
        (field("filename"), "übersicht.csv".encode()),
        (field("type"), b"text/csv"),
        (field("metadata[a]"), b"1"),
        (field("metadata[b][c]"), b"2"),
        (field("metadata[b][d]"), b"3"),
    )
    assert (await client.post("/v1/files", **request)).status_code == 201
    assert world.uploaded == {
        "name": "übersicht.csv",
        "content_type": "text/csv",
        "metadata": {"a": "1", "b": {"c": "2", "d": "3"}},
        "content": b"\r\n--x",
    }


async def test_the_javascript_clients_metadata_part(client: Any, world: Any) -> None:
    request = form(
        ('Content-Disposition: form-data; name="content"; filename="blob_1700"\r\nContent-Type: image/webp', b"RIFF"),
        (
            'Content-Disposition: form-data; name="metadata"; filename="blob"\r\nContent-Type: application/json',
            b'{"k":[1]}',
        ),
    )
    assert (await client.post("/v1/files", **request)).status_code == 201
    assert world.uploaded == {
        "name": "blob_1700",
        "content_type": "image/webp",
        "metadata": {"k": [1]},
        "content": b"RIFF",
    }


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ("filename*=UTF-8''na%C3%AFve%20plan.txt", "naïve plan.txt"),
        ("filename=\"plain.txt\"; filename*=utf-8'en'na%C3%AFve.txt", "naïve.txt"),
        ("filename*=nonsense", "file"),
        ("filename*=no-such-set''a.txt", "file"),
        ("filename*=utf-8''%FF.txt", "file"),
        ('filename="100%25.txt"', "100%25.txt"),
    ],
)
async def test_how_clients_write_odd_names(client: Any, world: Any, disposition: str, name: str) -> None:
    await client.post("/v1/files", **form((f'Content-Disposition: form-data; name="content"; {disposition}', b"a")))
    assert world.uploaded["name"] == name


@pytest.mark.parametrize("text", [b"", b"null", b" {} "])
async def test_no_metadata(client: Any, world: Any, text: bytes) -> None:
    assert (await client.post("/v1/files", **form((field("content"), b"x"), (field("metadata"), text)))).is_success
    assert world.uploaded["metadata"] == {}


async def test_a_path_in_a_file_name_is_cut_off(client: Any, world: Any) -> None:
    await client.post("/v1/files", files={"content": ("..\\..\\x/evil.txt", b"a")})
    assert world.uploaded["name"] == "evil.txt"


@pytest.mark.parametrize(
    ("request_", "status", "says"),
    [
        ({"json": {}}, 400, "multipart/form-data"),
        (form((field("metadata"), b"{}")), 400, "content is required"),
        (form((field("content"), b"x"), (field("metadata"), b"[1]")), 400, "JSON object"),
        (form((field("content"), b"x"), (field("content"), b"y")), 400, "one file"),
        (form((field("content"), b"x"), (field("filename"), b"n" * 256)), 400, "255 bytes"),
        (form((field("content"), b"x"), (field("metadata[a]"), b"1"), (field("metadata[a][b]"), b"1")), 400, "twice"),
        (form((field("content"), b"x" * ((1 << 20) + 1))), 413, "Files must be less than 1MB in size"),
        (form((field("content"), b"x"), (field("metadata"), b"x" * ((1 << 20) + 1))), 413, "fields"),
        ({**form((field("content"), b"x")), "content": b"no boundary here"}, 400, "could not be read"),
        ({**form((field("content"), b"x")), "content": b"------b0undary\r\n"}, 400, "cut off"),
    ],
)
async def test_wrong_forms(client: Any, world: Any, request_: dict[str, Any], status: int, says: str) -> None:
    response = await client.post("/v1/files", **request_)
    assert response.status_code == status
    assert says in response.text
    assert not world.uploaded


async def test_metadata_needs_a_token_and_delete_answers_204(client: Any, world: Any) -> None:
    assert (await client.get(f"/v1/files/{FILE_ID}", headers={"Authorization": ""})).status_code == 401
    assert (await client.get(f"/v1/files/{FILE_ID}")).json()["id"] == FILE_ID
    assert (await client.get("/v1/files")).json()["results"][0]["id"] == FILE_ID
    response = await client.delete(f"/v1/files/{FILE_ID}", headers={"Content-Type": "application/json"})
    assert (response.status_code, response.content) == (204, b"")


@pytest.mark.parametrize("authorization", ["", "Bearer r8_x", "Bearer whatever"])
async def test_outputs_need_no_token_and_tolerate_any(client: Any, authorization: str) -> None:
    response = await client.get(OUTPUT, headers={"Authorization": authorization})
    assert response.status_code == 200
    assert response.content == b"0123456789"
    assert response.headers["content-type"] == "image/png"
    assert response.headers["content-length"] == "10"
    assert response.headers["content-disposition"] == 'inline; filename="out-0.png"'
    assert response.headers["cache-control"] == "public, max-age=3600"
    assert response.headers["etag"] == f'"{"cd" * 16}"'
    assert response.headers["accept-ranges"] == "bytes"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["content-security-policy"].startswith("sandbox;")
    assert response.headers["access-control-allow-origin"] == "*"


async def test_head_has_the_headers_and_no_body(client: Any) -> None:
    response = await client.head(OUTPUT)
    assert (response.status_code, response.headers["content-length"], response.content) == (200, "10", b"")


@pytest.mark.parametrize(
    ("range_", "status", "content", "content_range"),
    [
        ("bytes=0-3", 206, b"0123", "bytes 0-3/10"),
        ("bytes=4-", 206, b"456789", "bytes 4-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=-99", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=8-99", 206, b"89", "bytes 8-9/10"),
        ("bytes=0-0", 206, b"0", "bytes 0-0/10"),
        ("bytes=10-", 416, None, "bytes */10"),
        ("bytes=-0", 416, None, "bytes */10"),
        ("bytes=5-2", 200, b"0123456789", None),
        ("bytes=0-1,3-4", 200, b"0123456789", None),
        ("items=0-1", 200, b"0123456789", None),
        ("bytes=-", 200, b"0123456789", None),
    ],
)
async def test_ranges(client: Any, range_: str, status: int, content: Any, content_range: Any) -> None:
    response = await client.get(OUTPUT, headers={"Range": range_})
    assert response.status_code == status
    assert response.headers.get("content-range") == content_range
    if content is not None:
        assert response.content == content
        assert response.headers["content-length"] == str(len(content))
    else:
        assert response.json()["status"] == 416


async def test_validators(client: Any) -> None:
    etag = f'"{"cd" * 16}"'
    for header in (etag, f"W/{etag}", f'"x", {etag}', "*"):
        response = await client.get(OUTPUT, headers={"If-None-Match": header})
        assert (response.status_code, response.content, response.headers["etag"]) == (304, b"", etag)
    assert (await client.get(OUTPUT, headers={"If-None-Match": '"x"'})).status_code == 200
    assert (await client.get(OUTPUT, headers={"Range": "bytes=0-1", "If-Range": '"old"'})).status_code == 200
    assert (await client.get(OUTPUT, headers={"Range": "bytes=0-1", "If-Range": etag})).status_code == 206


async def test_types_and_names_from_models_cannot_break_headers(client: Any, world: Any) -> None:
    world.file_record = msgspec.structs.replace(
        world.file_record, name='a"b\r\nx: y é.html', content_type="text/html\r\nx: y"
    )
    world.file_record = msgspec.structs.replace(world.file_record, size=0)
    response = await client.get(f"/v1/files/{FILE_ID}/download?owner=ada&expiry=9&signature=go%2Bod%3D")
    assert response.headers["content-type"] == "application/octet-stream"
    assert response.headers["content-disposition"].startswith(
        'attachment; filename="a_b__x_ y _.html"; filename*=UTF-8'
    )
    assert "x" not in response.headers


async def test_unknown_outputs_are_404(client: Any) -> None:
    for path in (f"/v1/files/{FILE_ID}/other.png", f"/v1/files/{FILE_ID}/download"):
        response = await client.get(path)
        assert (response.status_code, response.json()["detail"]) == (404, "File not found")


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("owner=ada&expiry=9&signature=go%2Bod%3D", 200),
        ("owner=ada&expiry=9&signature=go+od%3D", 200),
        ("owner=ada&expiry=9&signature=forged", 404),
        ("owner=ada&expiry=soon&signature=go%2Bod%3D", 404),
        ("owner=ada&signature=go%2Bod%3D", 404),
    ],
)
async def test_signed_downloads(client: Any, query: str, status: int) -> None:
    url = f"/v1/files/{FILE_ID}/download?{query}"
    response = await client.get(url, headers={"Authorization": ""})
    assert response.status_code == status
    if status == 200:
        assert response.content == b"0123456789"
        assert response.headers["content-disposition"] == 'attachment; filename="out-0.png"'
