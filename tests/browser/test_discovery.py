"""Finding models, comparing them, making them, and their settings; and how every page of these looks."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

PAINTER = Path(__file__).with_name("painter.py").read_text()
GREETER = """
from cog import BaseRunner, Input

class Predictor(BaseRunner):
    def run(self, prompt: str = Input(description="Whom to greet"), loud: bool = False) -> str:
        return f"{'HELLO' if loud else 'Hello'}, {prompt}!"
"""
MAX_WEIGHT = 200 * 1024
"""Bytes of a page with everything but media (issue 5)."""


@pytest.fixture(scope="module")
def greeter(models, api):
    made = models.write("greeter", GREETER)
    run = api.run(made, {"prompt": "world"})
    api("POST", f"models/{made.name}/examples", json={"prediction": run["id"]})
    api(
        "PATCH", f"models/{made.name}", json={"description": "Greets whoever comes.", "readme": "# Greeter\n\n*Hello.*"}
    )
    return made


@pytest.fixture(scope="module")
def painter(models, api):
    made = models.write("painter", PAINTER)
    run = api.run(made, {"prompt": "hills", "palette": "sea"})
    api("POST", f"models/{made.name}/examples", json={"prediction": run["id"]})
    return made


@pytest.fixture(scope="module")
def collection(api, greeter, painter):
    api("POST", "admin/collections", json={"slug": "demos", "name": "Demos", "description": "What there is."})
    for model in (greeter, painter):
        api("POST", "admin/collections/demos/models", json={"model": model.name})
    return "demos"


def test_every_page_looks_right(open_page, look, accessible, greeter, painter, collection, models, api):
    theme, size = look
    every, failing = models("every-input"), models("failing")
    run, failed = api.run(painter, {"prompt": "x"}), api.run(failing, {})
    tabs = ("", "/api", "/api/schema", "/examples", "/readme", "/versions", "/settings", f"/versions/{greeter.version}")
    paths = [
        "/", "/explore", "/search", "/search?query=greeter", "/collections", f"/collections/{collection}", "/admin",
        "/create", "/compare", f"/compare?m={greeter.name}&m={painter.name}", f"/{every.name}", f"/p/{run['id']}",
        f"/p/{failed['id']}", f"/{painter.name}?prediction={run['id']}", f"/{models('trainer').name}/train",
        *(f"/{greeter.name}{tab}" for tab in tabs),
    ]  # fmt: skip
    page = open_page("/", theme=theme, size=size)
    for path in paths:
        answer = page.goto(path)
        assert answer is not None
        assert answer.status == 200, path
        page.wait_for_load_state("networkidle")
        accessible(page)


def test_visitors_see_what_is_public(open_page, accessible, greeter, painter):
    for path in ("/", "/explore", f"/{greeter.name}", f"/{painter.name}/examples", "/admin"):
        page = open_page(path, anonymous=True)
        accessible(page)
        expect(page.get_by_role("link", name="Sign in", exact=True).first).to_be_visible()


def test_search_answers_while_one_types(page: Page, greeter):
    page.keyboard.press("/")
    box = page.get_by_role("combobox", name="Search models")
    expect(box).to_be_focused()
    box.press_sequentially("greet")
    found = page.get_by_role("listbox").get_by_role("option")
    expect(found.first).to_contain_text(greeter.name)
    page.keyboard.press("ArrowDown")
    expect(found.first).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/{greeter.name}")
    page.keyboard.press("Control+k")
    expect(box).to_be_focused()
    box.fill("no such thing anywhere")
    box.press("Enter")
    page.wait_for_url("**/search?query=*")
    expect(page.get_by_role("heading", name="Nothing found")).to_be_visible()


def test_explore_shows_models_worth_showing(page: Page, greeter, painter, collection, models):
    models("noop")  # public, but without an example
    page.goto("/explore")
    shown = page.locator("#models")
    expect(shown.locator(".card")).to_have_count(2)
    expect(shown).to_contain_text("Greets whoever comes.")
    expect(shown).to_contain_text("Hello, world!")  # what its example said stands for its picture
    assert shown.locator(".card img").evaluate("e => e.decode().then(() => e.naturalWidth)") == 320
    page.locator("#collections").get_by_role("link", name="Demos").click()
    expect(page.locator(".card")).to_have_count(2)


def test_models_side_by_side(page: Page, greeter, painter):
    page.goto("/compare")
    page.get_by_label("Add a model").fill(greeter.name)
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_label("Add a model").fill(f"{greeter.name}:{greeter.version}")
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_label("Input to vary").select_option("prompt")
    page.get_by_label("Values, one per line").fill("Ann\nBob")
    page.get_by_role("button", name="Run all").click()
    page.wait_for_url("**p=*")
    cells = page.locator(".compare-cell")
    expect(cells).to_have_count(4)
    for at, said in enumerate(("Hello, Ann!", "Hello, Ann!", "Hello, Bob!", "Hello, Bob!")):
        expect(cells.nth(at)).to_contain_text(said)
    expect(page.locator(".compare-row").first).to_have_text("Ann")
    page.reload()
    expect(cells.nth(3)).to_contain_text("Hello, Bob!")
    page.get_by_role("link", name=f"Remove {greeter.name}", exact=True).click()
    expect(page.locator(".chip")).to_have_count(1)
    page.goto("/compare?m=nobody/nothing")
    expect(page.get_by_text("There is no model nobody/nothing")).to_be_visible()


def test_a_wrong_input_is_refused_before_anything_runs(page: Page, greeter, painter, complaints):
    complaints.expect("422")
    page.goto(f"/compare?m={greeter.name}&m={painter.name}")
    page.locator("#in-prompt").fill("x")
    page.get_by_label("pictures", exact=True).fill("99")
    page.get_by_role("button", name="Run all").click()
    expect(page.locator("#in-pictures-error")).to_contain_text("less than or equal to 6")
    expect(page.locator(".compare-cell")).to_have_count(0)


def test_a_model_is_made_described_and_deleted(page: Page, accessible, complaints):
    complaints.expect("422")
    page.goto("/create")
    page.get_by_label("Name").fill("Not a name")
    page.locator("form.panel").evaluate("form => form.noValidate = true")
    page.get_by_role("button", name="Create").click()
    expect(page.locator("#name-error")).to_contain_text("lower-case letters")
    page.get_by_label("Name").fill("made-here")
    page.get_by_role("button", name="Create").click()
    page.wait_for_url("**/admin/made-here")
    expect(page.get_by_role("heading", name="Push your first version")).to_be_visible()
    expect(page.locator("main")).to_contain_text("hearth push . admin/made-here")
    accessible(page)
    page.get_by_role("link", name="Settings").click()
    page.get_by_label("Description").fill("Made in a browser.")
    page.get_by_label("Code").fill("not an address")
    page.locator("form.panel").first.evaluate("form => form.noValidate = true")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#github_url-error")).to_contain_text("http")
    page.get_by_label("Code").fill("https://github.com/ann/made-here")
    page.get_by_label("README, in Markdown").fill("# Made\n\nwith **care** <script>window.pwned=1</script>")
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("#readme-preview strong")).to_have_text("care")
    picture = {"name": "c.png", "mimeType": "image/png", "buffer": b"\x89PNG\r\n\x1a\n" + b"\0" * 64}
    page.get_by_label("A picture of up to 10 MB").set_input_files(picture)
    page.get_by_text("Public", exact=True).click()
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".toast")).to_have_text("Saved.")
    expect(page.locator(".model-about")).to_have_text("Made in a browser.")
    expect(page.locator(".model-head .badge")).to_contain_text("Public")
    assert "/c.png" in (page.locator(".model-head .model-cover").get_attribute("src") or "")
    page.get_by_label("Use the default example's picture instead").check()
    page.get_by_text("Private", exact=True).click()
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".model-head .model-cover")).to_have_count(0)
    page.get_by_role("button", name="Delete this model").click()
    expect(page.locator("#confirm-error")).to_contain_text("Type admin/made-here")
    page.get_by_label("Type admin/made-here").fill("admin/made-here")
    page.get_by_role("button", name="Delete this model").click()
    page.wait_for_url("**/admin")
    expect(page.get_by_text("made-here is deleted")).to_be_visible()


def test_the_code_of_the_api_tab_runs(page: Page, greeter, server):
    """As it stands on the page, with nothing but a token and the certificate in the environment."""
    variables = server.environment()
    page.goto(f"/{greeter.name}/api")
    code = page.locator("h3:text-is('Run it') + .codebox pre").inner_text()
    ran = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True, timeout=60)
    assert (ran.stdout, ran.returncode) == ("Hello, world!\n", 0), ran.stderr
    expect(page.get_by_role("region", name="Inputs")).to_contain_text("Whom to greet")
    page.get_by_role("link", name="Node.js").click()
    expect(page.locator("main")).to_contain_text("await replicate.run(")
    page.get_by_role("link", name="cURL").click()
    code = page.locator("h3:text-is('Run it') + .codebox pre").inner_text()
    shell = shutil.which("curl") and subprocess.run(
        ["sh", "-c", code], env={**variables, "CURL_CA_BUNDLE": server.connection.ca}, capture_output=True, text=True
    )
    assert not shell or json.loads(shell.stdout)["output"] == "Hello, world!"
    expect(page.locator("main")).to_contain_text("webhook_events_filter")


def test_a_version_has_a_page_of_its_own(page: Page, models, complaints):
    first = models.write("changing", GREETER, public=False)
    second = models.write("changing", GREETER.replace("Hello", "Goodbye"), public=False)
    assert first.version != second.version
    page.goto(f"/{first.name}/versions")
    expect(page.locator("tbody tr")).to_have_count(2)
    page.goto(f"/{first.name}/versions/{first.version}")
    expect(page.locator(".pinned")).to_contain_text("there is a newer one")
    page.locator("#in-prompt").fill("Ann")
    page.locator("#run-button").click()
    page.wait_for_url(f"**/versions/{first.version}?prediction=*")
    expect(page.locator(".run:not([data-live])")).to_contain_text("Hello, Ann!")
    page.get_by_role("group", name="Show the input as").get_by_role("button", name="Python").click()
    expect(page.locator("#code pre")).to_contain_text(f"{first.name}:{first.version}")
    page.goto(f"/{first.name}")
    page.locator("#in-prompt").fill("Ann")
    page.locator("#run-button").click()
    expect(page.locator(".run:not([data-live])")).to_contain_text("Goodbye, Ann!")
    page.goto(f"/{first.name}/versions")
    page.locator("tbody tr").last.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.locator("tbody tr")).to_have_count(1)


def test_a_model_for_language_models(page: Page, greeter):
    text = page.request.get(f"/{greeter.name}/llms.txt").text()
    assert text.startswith(f"# {greeter.name}\n")
    for part in ("- `prompt` (string, required): Whom to greet", "client.run(", "# Greeter", greeter.version):
        assert part in text


def test_the_theme_is_remembered(open_page):
    page = open_page("/explore", theme="light")
    colour = "getComputedStyle(document.body).backgroundColor"
    before = page.evaluate(colour)
    page.get_by_role("button", name="Dark theme").click()
    dark = page.evaluate(colour)
    assert dark != before
    page.reload()
    assert page.evaluate(colour) == dark
    page.get_by_role("button", name="Light theme").click()
    assert page.evaluate(colour) == before


@pytest.mark.parametrize("path", ["/", "/explore", "/admin/painter", "/admin/painter/api", "/compare?m=admin/painter"])
def test_no_page_is_heavy(open_page, painter, path):
    page = open_page("/search")
    sizes: dict[str, int] = {}
    page.on("requestfinished", lambda r: sizes.update({r.url: r.sizes()["responseBodySize"]}))
    session = page.context.new_cdp_session(page)
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    page.goto(path)
    page.wait_for_load_state("networkidle")
    weight = sum(size for url, size in sizes.items() if not re.search(r"\.png|/v1/files/", url))
    assert 20_000 < weight < MAX_WEIGHT, sizes


def test_pages_guard_themselves(page: Page, greeter, server):
    """No inline script or style is allowed, forms want their token, and files stay as they are for ever."""
    answer = page.request.get(f"/{greeter.name}", headers={"Accept": "text/html"})
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert not re.search(r"<style|\sstyle=|<script(?![^>]*\ssrc=)|\son\w+=", answer.text())
    html = {"Accept": "text/html"}
    refused = page.request.post(f"/{greeter.name}", form={"in.prompt": "x"}, headers=html)
    assert refused.status == 403
    style = re.search(r"/static/[0-9a-f]+/hearth.css", answer.text())
    assert style is not None
    kept = page.request.get(style[0])
    assert "immutable" in kept.headers["cache-control"]
    assert kept.headers["content-encoding"] == "gzip"
    assert page.request.get("/nothing/here").headers["content-type"].startswith("application/")  # a program's 404
    assert page.request.get("/nothing/here", headers=html).headers["content-type"].startswith("text/html")


def test_the_current_tab_is_in_view(open_page, greeter):
    page = open_page(f"/{greeter.name}/settings", size=(390, 844))
    expect(page.locator(".tabs [aria-current]")).to_be_in_viewport(ratio=0.9)
