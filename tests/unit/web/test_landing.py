"""The welcome page: a browser's first look."""

from __future__ import annotations

import httpx

from hearth.web.landing import Landing


async def get(path: str) -> httpx.Response:
    transport = httpx.ASGITransport(app=Landing())
    async with httpx.AsyncClient(transport=transport, base_url="https://localhost:8700") as client:
        return await client.get(path)


async def test_the_address_leads_to_a_page_that_says_how_to_go_on() -> None:
    page = await get("/")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "hearth push" in page.text
    assert "https://localhost:8700/v1/account" in page.text


async def test_an_unknown_page_is_an_honest_404() -> None:
    page = await get("/p/nothing")
    assert page.status_code == 404
    assert "no such page" in page.text
