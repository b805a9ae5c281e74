"""Signing in and out, the first visit, and what must not work."""

from __future__ import annotations

from playwright.sync_api import Page, expect

PASSWORD = "correct horse battery"


def test_every_door_looks_right(open_page, look, accessible):
    theme, size = look
    for path in ("/signin", "/setup"):
        accessible(open_page(path, theme=theme, size=size, anonymous=True))


def test_a_token_signs_in_and_leads_where_one_wanted_to_go(anonymous: Page, server):
    anonymous.goto("/account")
    assert "/signin?next=%2Faccount" in anonymous.url
    anonymous.get_by_label("Token").fill(server.token)
    anonymous.get_by_role("button", name="Sign in with the token").click()
    anonymous.wait_for_url("**/account")
    expect(anonymous.get_by_role("heading", level=1)).to_have_text("Account")
