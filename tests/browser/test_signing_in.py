"""Signing in and out, the first visit, and what must not work."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from hearth.testing.live import LiveServer

PASSWORD = "correct horse battery"


def test_every_door_looks_right(open_page, look, accessible):
    theme, size = look
    for path in ("/signin", "/setup", "/setup?code=nothing"):
        page = open_page(path, theme=theme, size=size, anonymous=True, allow=("404",))
        accessible(page)


def test_a_token_signs_in_and_leads_where_one_wanted_to_go(anonymous: Page, server: LiveServer):
    anonymous.goto("/account")
    assert "/signin?next=%2Faccount" in anonymous.url
    anonymous.get_by_label("Token").fill(server.token)
    anonymous.get_by_role("button", name="Sign in with the token").click()
    anonymous.wait_for_url("**/account")
    expect(anonymous.get_by_role("heading", level=1)).to_have_text("Account")


def test_a_wrong_token_says_so_and_signs_nobody_in(open_page):
    page = open_page("/signin", anonymous=True, allow=("401",))
    page.get_by_label("Token").fill("r8_nothing")
    page.get_by_role("button", name="Sign in with the token").click()
    expect(page.get_by_role("alert")).to_contain_text("There is no such token.")
    assert not any(cookie["name"] == "__Host-hearth" for cookie in page.context.cookies())


def test_signing_out_ends_the_session(open_page, api):
    page = open_page("/setup", anonymous=True)
    page.goto(api("POST", "account/links")["url"])
    page.get_by_role("button", name="Sign in as admin").click()
    page.wait_for_url(re.compile(r"/$"))
    cookie = next(c for c in page.context.cookies() if c["name"] == "__Host-hearth")
    page.get_by_label("Account menu").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("banner").get_by_role("link", name="Sign in")).to_be_visible()
    page.context.add_cookies([{**cookie}])
    page.goto("/account")
    assert "/signin" in page.url, "the cookie of a session that ended must be good for nothing"


def test_it_works_without_scripts(open_page, server: LiveServer):
    page = open_page("/signin", anonymous=True, scripts=False)
    page.get_by_label("Token").fill(server.token)
    page.get_by_role("button", name="Sign in with the token").click()
    page.goto("/account/api-tokens")
    page.get_by_label("Name").fill("without scripts")
    page.get_by_role("button", name="Make token").click()
    expect(page.locator(".secret code")).to_have_text(re.compile(r"^r8_\w{37}$"))


# The first visit, on a server of its own


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with LiveServer(tmp_path_factory.mktemp("fresh")) as running:
        yield running


def link_of(server: LiveServer) -> str:
    return next(match[0] for line in server.output if (match := re.search(r"https://\S+/setup\?code=\S+", line)))


def test_the_first_visit_sets_a_password_and_the_link_works_once(fresh: LiveServer, browser: Browser):
    link = link_of(fresh)
    context = browser.new_context(ignore_https_errors=True, base_url=fresh.url)
    page = context.new_page()
    for _ in range(2):  # looking at it, as mail programs do, does not use it up
        page.goto(link)
    page.get_by_label("Choose a password").fill("short pass")
    page.get_by_label("Choose a password").fill("aaaaaaaaaaaa")
    page.get_by_role("button", name="Sign in as admin").click()
    expect(page.get_by_text("too easy to guess")).to_be_visible()
    page.get_by_label("Choose a password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in as admin").click()
    page.wait_for_url(f"{fresh.url}/")
    expect(page.get_by_label("Account menu")).to_be_visible()
    assert page.goto(link).status == 404
    context.clear_cookies()
    page.goto("/signin")
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url(f"{fresh.url}/")
    expect(page.get_by_label("Account menu")).to_be_visible()
    context.close()


def test_nobody_on_the_network_gets_in_without_the_link(fresh: LiveServer):
    with http(fresh) as client:
        for path in ("/setup", "/setup?code=", "/setup?code=guess"):
            assert "Choose a password" not in client.get(path).text
        for form in ({"code": ""}, {"code": "guess", "password": PASSWORD}):
            reply = post(client, "/setup", form)
            assert reply.status_code == 404
            assert "__Host-hearth" not in reply.headers.get("set-cookie", "")


# What must not work


def http(server: LiveServer, **options) -> httpx.Client:
    return httpx.Client(base_url=server.url, verify=False, headers={"accept": "text/html"}, **options)


def token_in(text: str) -> str:
    return re.search(r'name="csrf" value="([^"]*)"', text)[1]


def post(client: httpx.Client, path: str, form: dict[str, str], **headers: str) -> httpx.Response:
    """As a form of a page of ours is sent."""
    form = {"csrf": token_in(client.get("/signin").text), **form}
    return client.post(path, data=form, headers={"sec-fetch-site": "same-origin", **headers})


@pytest.fixture
def inside(server: LiveServer) -> Iterator[httpx.Client]:
    """Signed in, by hand."""
    with http(server) as client:
        reply = post(client, "/signin", {"way": "token", "token": server.token})
        assert reply.status_code == 303
        yield client


def test_the_cookie_is_kept_from_scripts_other_sites_and_plain_http(server: LiveServer):
    with http(server) as client:
        reply = post(client, "/signin", {"way": "token", "token": server.token})
    cookie = next(h for h in reply.headers.get_list("set-cookie") if h.startswith("__Host-hearth="))
    for attribute in ("HttpOnly", "Secure", "SameSite=Lax", "Path=/"):
        assert attribute in cookie
    assert "Domain" not in cookie


def test_a_cookie_that_somebody_planted_is_not_taken_over(server: LiveServer):
    with http(server) as client:
        planted = "planted-by-somebody-else-00000000000000000"
        client.cookies.set("__Host-hearth", planted, domain="127.0.0.1")
        reply = post(client, "/signin", {"way": "token", "token": server.token})
        assert reply.status_code == 303
        cookie = next(h for h in reply.headers.get_list("set-cookie") if h.startswith("__Host-hearth="))
        assert planted not in cookie
    with http(server, cookies={"__Host-hearth": planted}) as client:
        assert client.get("/account").status_code == 303


@pytest.mark.parametrize(
    ("form", "headers"),
    [
        ({"csrf": ""}, {"sec-fetch-site": "same-origin"}),
        ({"csrf": "0" * 64}, {"sec-fetch-site": "same-origin"}),
        ({}, {"sec-fetch-site": "cross-site"}),
        ({}, {"sec-fetch-site": "same-site"}),
        ({}, {"origin": "https://evil.example"}),
        ({}, {"origin": "null"}),
    ],
)
def test_a_form_from_elsewhere_is_refused(inside: httpx.Client, form, headers):
    page = inside.get("/account/api-tokens").text
    before = page.count("<tr>")
    reply = inside.post("/account/api-tokens", data={"csrf": token_in(page), "name": "stolen", **form}, headers=headers)
    assert reply.status_code == 403
    assert inside.get("/account/api-tokens").text.count("<tr>") == before


def test_a_form_of_another_session_is_refused(inside: httpx.Client, server: LiveServer):
    with http(server) as other:
        post(other, "/signin", {"way": "token", "token": server.token})
        foreign = token_in(other.get("/account").text)
    form = {"csrf": foreign, "name": "stolen"}
    reply = inside.post("/account/api-tokens", data=form, headers={"sec-fetch-site": "same-origin"})
    assert reply.status_code == 403


@pytest.mark.parametrize(
    "next", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/a\nb"]
)
def test_signing_in_leads_to_no_other_site(server: LiveServer, next: str):
    with http(server) as client:
        reply = post(client, "/signin", {"way": "token", "token": server.token, "next": next})
    assert (reply.status_code, reply.headers["location"]) == (303, "/")


def test_pages_of_an_account_are_not_kept_or_framed(inside: httpx.Client):
    headers = inside.get("/account/api-tokens").headers
    assert "no-store" in headers["cache-control"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    policy = headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
