"""Downloads from a real server."""

from __future__ import annotations

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.abc import ResolveResult

from hearth.errors import AddressRefused, FetchFailed, TooLarge
from hearth.net.address import AddressPolicy
from hearth.net.http import HttpFetcher

LOCAL = AddressPolicy(allow_loopback=True)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


@pytest.fixture
async def fetcher() -> AsyncIterator[HttpFetcher]:
    made = HttpFetcher(LOCAL, connect_timeout=5, idle_timeout=5)
    yield made
    await made.close()


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


async def test_a_file_lands_under_its_name(site, fetcher: HttpFetcher, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    data = bytes(range(256)) * 20_000
    url = site.says("/a/my%20picture.png", data, Content_Type="image/png")
    site.says("/a/my picture.png", data, Content_Type="image/png")
    fetched = await fetcher.fetch(url + "?sig=1", tmp_path, len(data))
    assert fetched == (tmp_path / "my picture.png", "my picture.png", "image/png", len(data))
    assert fetched.path.read_bytes() == data
    assert names(tmp_path) == {"my picture.png"}
    assert site.seen[0].headers["Accept-Encoding"] == "identity"
    assert "Authorization" not in site.seen[0].headers


@pytest.mark.parametrize(
    ("path", "headers", "body", "name", "content_type"),
    [
        ("/photo", {"Content_Type": "image/jpeg"}, b"x", "photo.jpg", "image/jpeg"),
        ("/upload", {"Content_Type": "application/octet-stream"}, PNG, "upload.png", "image/png"),
        ("/upload", {"Content_Type": "application/octet-stream"}, b"\xfe\x01", "upload", "application/octet-stream"),
        ("/notes.md", {"Content_Type": "application/octet-stream"}, b"# x", "notes.md", "text/markdown"),
        (
            "/dl",
            {"Content_Type": "x/y", "Content_Disposition": 'attachment; filename="../../etc/a b.csv"'},
            b"",
            "a b.csv",
            "x/y",
        ),
        (
            "/dl",
            {"Content_Disposition": "attachment; filename*=UTF-8''na%C3%AFve.txt", "Content_Type": "text/plain"},
            b"",
            "na_ve.txt",
            "text/plain",
        ),
        ("/", {"Content_Type": "text/html; charset=utf-8"}, b"<p>", "file.html", "text/html"),
        ("/..%2F..%2Fpasswd", {"Content_Type": "text/plain"}, b"x", "passwd.txt", "text/plain"),
    ],
)
async def test_names_and_types(  # type: ignore[no-untyped-def]
    site,
    fetcher: HttpFetcher,
    tmp_path: Path,
    path: str,
    headers: dict[str, str],
    body: bytes,
    name: str,
    content_type: str,
) -> None:
    site.says(path.replace("%2F", "/"), body, **headers)
    fetched = await fetcher.fetch(site.url + path, tmp_path, 1000)
    assert (fetched.name, fetched.content_type, fetched.path) == (name, content_type, tmp_path / name)


async def test_equal_names_do_not_overwrite_each_other(site, fetcher: HttpFetcher, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    for i in range(5):
        site.says(f"/{i}/in.tar.gz", bytes([i]), Content_Type="application/gzip")
    fetched = await asyncio.gather(*(fetcher.fetch(f"{site.url}/{i}/in.tar.gz", tmp_path, 10) for i in range(5)))
    assert [f.path.read_bytes() for f in fetched] == [bytes([i]) for i in range(5)]
    assert names(tmp_path) == {"in.tar.gz", *(f"in.tar-{i}.gz" for i in range(1, 5))}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_followed(site, fetcher: HttpFetcher, tmp_path: Path, status: int) -> None:  # type: ignore[no-untyped-def]
    site.says("/latest", status=status, Location="./v1/real.bin?x=1")
    site.says("/v1/real.bin", b"content", Content_Type="application/octet-stream")
    fetched = await fetcher.fetch(f"{site.url}/latest", tmp_path, 10)
    assert (fetched.name, fetched.path.read_bytes()) == ("real.bin", b"content")


async def test_five_redirects_and_no_more(site, fetcher: HttpFetcher, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    for i in range(6):
        site.says(f"/{i}", status=302, Location=f"/{i + 1}")
    site.says("/6", b"x")
    assert (await fetcher.fetch(f"{site.url}/1", tmp_path, 10)).size == 1
    with pytest.raises(FetchFailed, match="More than 5 redirects"):
        await fetcher.fetch(f"{site.url}/0", tmp_path, 10)


@pytest.mark.parametrize(
    "location",
    [
        *("http://10.0.0.1/x", "http://169.254.169.254/latest/meta-data", "http://[::ffff:10.0.0.1]/"),
        *("http://0xa9fea9fe/", "http://2852039166/", "http://metadata.google.internal/"),
    ],
)
async def test_each_hop_is_checked(site, fetcher: HttpFetcher, tmp_path: Path, location: str) -> None:  # type: ignore[no-untyped-def]
    site.says("/r", status=302, Location=location)
    with pytest.raises(AddressRefused):
        await fetcher.fetch(f"{site.url}/r", tmp_path, 10)
    assert names(tmp_path) == set()


@pytest.mark.parametrize("location", ["file:///etc/passwd", "data:,x", "ftp://h/x", "http://[::1"])
async def test_redirects_elsewhere_are_refused(site, fetcher: HttpFetcher, tmp_path: Path, location: str) -> None:  # type: ignore[no-untyped-def]
    site.says("/r", status=302, Location=location)
    with pytest.raises(FetchFailed, match="redirects to"):
        await fetcher.fetch(f"{site.url}/r", tmp_path, 10)


@pytest.mark.parametrize(
    "host",
    [
        *(
            "127.0.0.1",
            "localhost",
            "2130706433",
            "0x7f.1",
            "0177.0.0.1",
            "127.1",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "0.0.0.0",
        ),
        "LOCALHOST",
    ],
)
async def test_loopback_in_any_spelling_is_refused_and_never_reached(site, tmp_path: Path, host: str) -> None:  # type: ignore[no-untyped-def]
    site.says("/x", b"secret")
    fetcher = HttpFetcher(AddressPolicy())
    try:
        with pytest.raises(AddressRefused):
            await fetcher.fetch(f"http://{host}:{site.port}/x", tmp_path, 10)
    finally:
        await fetcher.close()
    assert site.seen == []


def answers(*rounds: str):  # type: ignore[no-untyped-def]
    left = list(rounds)

    async def lookup(host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
        address = left.pop(0) if len(left) > 1 else left[0]
        return [ResolveResult(hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=0)]

    return lookup


async def test_a_name_that_turns_to_a_forbidden_address_is_refused(site, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """DNS rebinding: the answer that is checked is the answer that is dialled."""
    site.says("/x", b"secret")
    fetcher = HttpFetcher(AddressPolicy(), lookup=answers("127.0.0.1"))
    try:
        with pytest.raises(AddressRefused, match=r"rebind\.example leads to 127\.0\.0\.1"):
            await fetcher.fetch(f"http://rebind.example:{site.port}/x", tmp_path, 10)
    finally:
        await fetcher.close()
    assert site.seen == []


async def test_the_name_in_a_url_reaches_the_server_and_its_address_is_dialled(site, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    site.says("/x", b"ok")
    fetcher = HttpFetcher(LOCAL, lookup=answers("127.0.0.1", "10.9.9.9"))
    try:
        await fetcher.fetch(f"http://files.example:{site.port}/x", tmp_path, 10)
    finally:
        await fetcher.close()
    assert site.seen[0].host == f"files.example:{site.port}"


async def test_the_address_is_checked_once_more_when_it_is_dialled(site, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    class Changing(AddressPolicy, frozen=True):
        """Forgets to check hosts, as a bug would."""

        def check_host(self, host: str) -> None:
            return

    fetcher = HttpFetcher(Changing())
    try:
        with pytest.raises(AddressRefused):
            await fetcher.fetch(f"{site.url}/x", tmp_path, 10)
    finally:
        await fetcher.close()
    assert site.seen == []


@pytest.mark.parametrize("announced", [True, False])
async def test_too_large_leaves_nothing(site, fetcher: HttpFetcher, tmp_path: Path, announced: bool) -> None:  # type: ignore[no-untyped-def]
    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        if announced:
            response.content_length = 3_000_000
        await response.prepare(request)
        for _ in range(3):
            await response.write(bytes(1_000_000))
        return response

    url = site.on("/big", stream)
    with pytest.raises(TooLarge, match="2999999"):
        await fetcher.fetch(url, tmp_path, 2_999_999)
    assert names(tmp_path) == set()
    assert (await fetcher.fetch(url, tmp_path, 3_000_000)).size == 3_000_000


async def test_what_comes_compressed_counts_with_its_real_size(site, fetcher: HttpFetcher, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    url = site.says("/bomb.txt", gzip.compress(bytes(5_000_000)), Content_Encoding="gzip", Content_Type="text/plain")
    with pytest.raises(TooLarge):
        await fetcher.fetch(url, tmp_path, 1_000_000)
    assert names(tmp_path) == set()
    assert (await fetcher.fetch(url, tmp_path, 5_000_000)).size == 5_000_000


async def test_a_status_is_named_without_the_secrets_of_the_url(site, fetcher: HttpFetcher, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(FetchFailed) as caught:
        await fetcher.fetch(f"http://user:hunter2@127.0.0.1:{site.port}/gone.png?token=hunter2", tmp_path, 10)
    assert caught.value.message == f"404 Not Found from http://127.0.0.1:{site.port}/gone.png"


async def test_a_connection_that_breaks_is_tried_once_more(site, fetcher: HttpFetcher, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    tries = 0

    async def break_first(request: web.Request) -> web.StreamResponse:
        nonlocal tries
        tries += 1
        response = web.StreamResponse()
        response.content_length = 10
        if tries == 1:
            await response.prepare(request)
            await response.write(b"12345")
            assert request.transport is not None
            request.transport.abort()
            return response
        return web.Response(body=b"0123456789")

    fetched = await fetcher.fetch(site.on("/x.bin", break_first), tmp_path, 10)
    assert fetched.path.read_bytes() == b"0123456789"
    assert tries == 2
    assert names(tmp_path) == {"x.bin"}


async def test_a_connection_that_breaks_twice_fails(site, fetcher: HttpFetcher, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    async def hang_up(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    with pytest.raises(FetchFailed, match="connection broke"):
        await fetcher.fetch(site.on("/x.bin", hang_up), tmp_path, 10)
    # aiohttp itself repeats a GET whose kept connection turns out to be closed
    assert len(site.seen) in (2, 3, 4)
    assert names(tmp_path) == set()


async def test_silence_ends_a_download(site, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    fetcher = HttpFetcher(LOCAL, idle_timeout=0.2)
    over = asyncio.Event()

    async def stall(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"some")
        await over.wait()
        return response

    try:
        with pytest.raises(FetchFailed, match=r"No answer within 0\.2 s from"):
            await fetcher.fetch(site.on("/x.bin", stall), tmp_path, 10)
    finally:
        over.set()
        await fetcher.close()
    assert names(tmp_path) == set()


async def test_a_cancelled_download_leaves_nothing(site, fetcher: HttpFetcher, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    began, over = asyncio.Event(), asyncio.Event()

    async def stall(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(bytes(2_000_000))
        began.set()
        await over.wait()
        return response

    task = asyncio.create_task(fetcher.fetch(site.on("/x.bin", stall), tmp_path, 10_000_000))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    over.set()
    assert names(tmp_path) == set()


async def test_nobody_there(fetcher: HttpFetcher, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        with pytest.raises(FetchFailed, match="Could not connect"):
            await fetcher.fetch(f"http://127.0.0.1:{free.getsockname()[1]}/x", tmp_path, 10)


async def test_a_name_that_does_not_exist(tmp_path: Path) -> None:
    async def nothing(host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    fetcher = HttpFetcher(LOCAL, lookup=nothing)
    try:
        with pytest.raises(FetchFailed, match=r"name nowhere\.example could not be resolved"):
            await fetcher.fetch("http://nowhere.example/x", tmp_path, 10)
    finally:
        await fetcher.close()


@pytest.mark.parametrize(
    "url",
    ["", "x", "/etc/passwd", "file:///etc/passwd", "ftp://h/x", "gopher://h", "http://", "http:x", "https://[::1"],
)
async def test_what_is_no_url(fetcher: HttpFetcher, tmp_path: Path, url: str) -> None:
    with pytest.raises(FetchFailed):
        await fetcher.fetch(url, tmp_path, 10)


async def test_data_uris_land_like_downloads(fetcher: HttpFetcher, tmp_path: Path) -> None:
    plain = await fetcher.fetch("data:text/plain,caf%C3%A9", tmp_path, 100)
    assert (plain.name, plain.content_type, plain.path.read_bytes()) == ("file.txt", "text/plain", "café".encode())
    image = await fetcher.fetch("DATA:image/png;name=..%2Fcat;base64,eHl6", tmp_path, 100)
    assert (image.name, image.content_type, image.size) == ("cat.png", "image/png", 3)
    again = await fetcher.fetch("data:image/png;name=cat.png;base64,eHl6", tmp_path, 100)
    assert again.name == "cat-1.png"
    with pytest.raises(FetchFailed, match="base64"):
        await fetcher.fetch("data:image/png;base64,***", tmp_path, 100)
    with pytest.raises(TooLarge):
        await fetcher.fetch("data:image/png;base64,eHl6", tmp_path, 2)
    assert names(tmp_path) == {"file.txt", "cat.png", "cat-1.png"}


async def test_the_environments_proxy_is_used_only_when_asked(
    site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("http_proxy", site.url)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    site.says("/x", b"by proxy")
    plain = HttpFetcher(LOCAL, lookup=answers("10.0.0.1"))
    trusting = HttpFetcher(LOCAL, trust_env=True, lookup=answers("10.0.0.1"))
    try:
        with pytest.raises(AddressRefused):
            await plain.fetch("http://files.example/x", tmp_path, 10)
        assert (await trusting.fetch("http://files.example/x", tmp_path, 10)).path.read_bytes() == b"by proxy"
        with pytest.raises(AddressRefused):
            await trusting.fetch("http://169.254.169.254/x", tmp_path, 10)
        monkeypatch.setenv("no_proxy", "files.example")
        with pytest.raises(AddressRefused, match="private"):
            await trusting.fetch(f"http://files.example:{site.port}/x", tmp_path, 10)
    finally:
        await plain.close()
        await trusting.close()
