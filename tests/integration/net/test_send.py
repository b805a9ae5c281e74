"""Webhooks to a real receiver."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from hearth.errors import AddressRefused, FetchFailed
from hearth.net.address import AddressPolicy
from hearth.net.http import HttpSender


@pytest.fixture
async def sender() -> AsyncIterator[HttpSender]:
    made = HttpSender(AddressPolicy(allow_loopback=True), timeout=5)
    yield made
    await made.close()


async def test_body_and_headers_arrive_as_given(site, sender: HttpSender) -> None:  # type: ignore[no-untyped-def]
    url = site.says("/hook", b"thanks", status=202)
    reply = await sender.post(url + "?a=%2F1", b'{"x": 1}', {"Content-Type": "application/json", "webhook-id": "m1"})
    assert reply.status == 202
    assert reply.duration > 0
    request = site.seen[0]
    assert (request.method, request.raw_path) == ("POST", "/hook?a=%2F1")
    assert (request.headers["Content-Type"], request.headers["webhook-id"]) == ("application/json", "m1")
    assert site.bodies == [b'{"x": 1}']


@pytest.mark.parametrize("status", [301, 307, 308, 400, 410, 500])
async def test_every_status_is_an_answer_and_redirects_are_not_followed(site, sender: HttpSender, status: int) -> None:  # type: ignore[no-untyped-def]
    url = site.says("/hook", status=status, Location="/elsewhere")
    assert (await sender.post(url, b"{}", {})).status == status
    assert [request.path for request in site.seen] == ["/hook"]


async def test_one_connection_serves_many_posts(site, sender: HttpSender) -> None:  # type: ignore[no-untyped-def]
    peers = set()

    async def note(request: web.Request) -> web.Response:
        assert request.transport is not None
        peers.add(request.transport.get_extra_info("peername"))
        return web.Response(body=b"x" * 1000)

    url = site.on("/hook", note)
    for _ in range(5):
        await sender.post(url, b"{}", {})
    assert len(peers) == 1


async def test_an_endless_answer_is_cut_off(site, sender: HttpSender) -> None:  # type: ignore[no-untyped-def]
    gone = asyncio.Event()

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(bytes(100_000))
        except ConnectionError:
            gone.set()
        return response

    assert (await sender.post(site.on("/hook", endless), b"{}", {})).status == 200
    await gone.wait()


async def test_silence_fails_and_names_the_url_without_its_query(site) -> None:  # type: ignore[no-untyped-def]
    sender, over = HttpSender(AddressPolicy(allow_loopback=True), timeout=0.2), asyncio.Event()

    async def stall(request: web.Request) -> web.StreamResponse:
        await over.wait()
        return web.Response()

    url = site.on("/hook", stall)
    try:
        with pytest.raises(FetchFailed) as caught:
            await sender.post(url + "?token=hunter2", b"{}", {})
    finally:
        over.set()
        await sender.close()
    assert caught.value.message == f"No answer within 0.2 s from {url}"


async def test_a_broken_connection_is_not_tried_again(site, sender: HttpSender) -> None:  # type: ignore[no-untyped-def]
    async def hang_up(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    with pytest.raises(FetchFailed, match="connection broke"):
        await sender.post(site.on("/hook", hang_up), b"{}", {})
    assert len(site.seen) == 1


async def test_nobody_there(sender: HttpSender) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(FetchFailed, match="Could not connect"):
            await sender.post(f"http://127.0.0.1:{free.getsockname()[1]}/", b"", {})


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0x7f.1", "[::ffff:127.0.0.1]"])
async def test_the_policy_holds_for_webhooks(site, host: str) -> None:  # type: ignore[no-untyped-def]
    sender = HttpSender(AddressPolicy())
    try:
        with pytest.raises(AddressRefused):
            await sender.post(f"http://{host}:{site.port}/hook", b"{}", {})
    finally:
        await sender.close()
    assert site.seen == []


@pytest.mark.parametrize("url", ["", "hook", "ftp://h/x", "http://"])
async def test_what_is_no_url(sender: HttpSender, url: str) -> None:
    with pytest.raises(FetchFailed):
        await sender.post(url, b"", {})
