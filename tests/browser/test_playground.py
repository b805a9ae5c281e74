"""The playground: the form, the same input as code, runs as they happen, and what may be done with them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import DESKTOP, PHONE

PAINTER = Path(__file__).with_name("painter.py").read_text()
SLOW = 60.0
"""Seconds of a run that a test ends itself."""
WRITER = """
import time
from cog import BaseRunner, ConcatenateIterator, Input

class Predictor(BaseRunner):
    def run(
        self,
        prompt: str = Input(description="What to write about."),
        pace: float = Input(default=0.0, ge=0, le=2),
        evil: bool = False,
    ) -> ConcatenateIterator[str]:
        print("about to write")
        for word in f"# About {prompt}\\n\\nIt is *good* and has **two** parts.\\n\\n- one\\n- two\\n".split(" "):
            time.sleep(pace)
            yield word + " "
        if evil:
            yield "<img src=x onerror='window.pwned=1'> [x](javascript:window.pwned=1) <script>window.pwned=1</script>"
"""


@pytest.fixture(scope="module")
def painter(models):
    return models.write("painter", PAINTER)


@pytest.fixture(scope="module")
def writer(models):
    return models.write("writer", WRITER)


def ended(page: Page) -> Any:
    panel = page.locator(".run:not([data-live])")
    expect(panel.locator(".badge").first).to_have_text(re.compile("Succeeded|Failed|Canceled"))
    return panel


def run(page: Page) -> Any:
    page.locator("#run-button").click()
    page.wait_for_url("**prediction=*")
    return ended(page)


def test_text_comes_as_it_is_written_and_turns_into_markdown(open_page, writer):
    page = open_page(f"/{writer.name}")
    page.get_by_label("prompt").fill("bread")
    page.get_by_label("pace", exact=True).fill("0.2")
    page.locator("#run-button").click()
    text = page.locator('[data-part="text"]')
    expect(text).to_contain_text("# About bread")
    expect(page.locator(".run[data-live]")).to_be_visible()  # it goes on
    panel = ended(page)
    expect(text).to_contain_text("- two")
    page.get_by_role("button", name="Markdown").click()
    expect(panel.locator(".rendered strong")).to_have_text("two")
    expect(panel.locator(".rendered h1")).to_be_visible()
    page.locator("#run-button").click()  # whoever chose Markdown gets it while it is written, too
    expect(page.locator(".run[data-live] .rendered h1")).to_have_text("About bread")
    panel = ended(page)
    expect(panel.locator(".rendered strong")).to_have_text("two")
    panel.get_by_role("button", name="Markdown").click()
    panel.get_by_text("Logs").click()
    expect(panel.locator(".logs pre")).to_contain_text("about to write")
    page.reload()
    expect(page.locator('[data-part="text"]')).to_contain_text("# About bread")  # the address is this run
    expect(page.get_by_label("prompt")).to_have_value("bread")


TALKER = """
import time
from cog import BasePredictor, ConcatenateIterator, Input

class Predictor(BasePredictor):
    def predict(self, what: str = Input(choices=["lines", "json", "error"], default="lines")) -> object:
        if what == "json":
            return {"rows": [{"n": n, "name": f"row {n}"} for n in range(900)]}
        if what == "error":
            raise ValueError("no")
        return "\\n".join(f"line {n}" for n in range(400))
"""


@pytest.fixture(scope="module")
def talker(models):
    return models.write("talker", TALKER)


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_long_outputs_scroll_and_their_buttons_stay(open_page, accessible, talker, size):
    page = open_page(f"/{talker.name}", size=size)
    panel = run(page)
    accessible(page)
    if size == DESKTOP:
        assert panel.bounding_box()["height"] < size[1]
        assert page.locator(".output").evaluate("box => box.scrollHeight > box.clientHeight")
    expect(panel.get_by_role("button", name="Copy", exact=True)).to_be_visible()
    expect(panel.get_by_role("link", name="Download", exact=True)).to_be_visible()


def test_json_is_copied_whole(open_page, talker):
    page = open_page(f"/{talker.name}")
    page.get_by_label("what").select_option("json")
    run(page).get_by_role("button", name="Copy", exact=True).click()
    expect(page.get_by_role("status").filter(has_text="Copied.")).to_be_visible()
    copied = json.loads(page.evaluate("navigator.clipboard.readText()"))
    assert copied["rows"][899] == {"n": 899, "name": "row 899"}


def test_a_page_without_a_clipboard_copies_all_the_same(open_page, talker):
    page = open_page(f"/{talker.name}/api")
    page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined, configurable: true})")
    page.get_by_role("button", name="Copy").first.click()
    page.wait_for_function("document.querySelector('.copy.done')")
    page.evaluate("delete navigator.clipboard")
    assert page.evaluate("navigator.clipboard.readText()").startswith("pip install replicate")


def test_two_clicks_are_one_run_and_back_leads_back(open_page, talker, api):
    page = open_page(f"/{talker.name}")
    before = api("GET", f"models/{talker.name}")["run_count"]
    page.locator("#run-button").dblclick()
    page.wait_for_url("**prediction=*")
    ended(page)
    assert api("GET", f"models/{talker.name}")["run_count"] == before + 1
    page.go_back()
    page.wait_for_url(re.compile(f"{talker.name}$"))
    expect(page.get_by_text("No run yet")).to_be_visible()


def test_a_failure_leaves_no_gap_where_nothing_came_out(open_page, talker):
    page = open_page(f"/{talker.name}")
    page.get_by_label("what").select_option("error")
    panel = run(page)
    expect(panel.locator(".output")).to_have_count(0)
    expect(panel.locator(".run-error")).to_contain_text("change the input and try again")


def test_errors_stand_beside_their_fields(open_page, writer):
    page = open_page(f"/{writer.name}")
    page.locator("#run-button").click()
    expect(page.locator("#in-prompt-error")).to_have_text("Is required")
    expect(page.get_by_label("prompt")).to_be_focused()
    page.get_by_label("prompt").fill("x")
    page.get_by_label("pace", exact=True).fill("7")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#in-pace-error")).to_contain_text("less than or equal to 2")
    expect(page.locator("#in-prompt-error")).to_be_empty()


def test_code_mirrors_the_form_and_json_runs(open_page, writer, server):
    page = open_page(f"/{writer.name}")
    page.get_by_label("prompt").fill('say "hi"')
    show = page.get_by_role("group", name="Show the input as")
    for name, parts in {
        "Python": ['"prompt": "say \\"hi\\""', f'base_url="{server.url}"', f'"{writer.name}"'],
        "Node.js": ['prompt: "say \\"hi\\""', f'baseUrl: "{server.url}/v1"'],
        "cURL": [f"{server.url}/v1/models/{writer.name}/predictions", "Authorization: Bearer"],
    }.items():
        show.get_by_role("button", name=name).click()
        for part in parts:
            expect(page.locator("#code pre")).to_contain_text(part)
    page.locator("#code [data-copy]").click()
    expect(page.locator("#code [data-copy].done")).to_be_visible()
    assert "/v1/models/" in page.evaluate("navigator.clipboard.readText()")
    show.get_by_role("button", name="JSON").click()
    page.locator("#json").fill('{"prompt": ')
    expect(page.locator("#json-error")).to_contain_text("not JSON")
    page.locator("#json").fill(json.dumps({"prompt": "from json"}))
    page.keyboard.press("Control+Enter")
    expect(ended(page).locator('[data-part="text"]')).to_contain_text("About from json")
    show.get_by_role("button", name="Form").click()
    expect(page.get_by_label("prompt")).to_have_value("from json")


def test_a_link_leads_to_code(open_page, writer):
    page = open_page(f"/{writer.name}?input=nodejs")
    expect(page.locator("#code pre")).to_contain_text('import Replicate from "replicate"')


def test_pictures_come_one_by_one_and_enlarge(open_page, painter):
    page = open_page(f"/{painter.name}")
    page.get_by_label("prompt").fill("low hills")
    page.get_by_label("pace", exact=True).fill("0.1")
    page.locator("#run-button").click()
    expect(page.get_by_role("progressbar", name="Progress")).to_be_visible()
    expect(page.locator(".progress-row")).to_contain_text(re.compile(r"\d+ % · \d of 8"))
    panel = ended(page)
    expect(panel.locator(".piece.image img")).to_have_count(2)
    assert panel.locator(".piece.image img").first.evaluate("e => e.decode().then(() => e.naturalWidth)") == 320
    panel.locator("a[data-zoom]").first.click()
    box = page.get_by_role("dialog", name="Picture")
    expect(box.locator("img")).to_have_attribute("src", re.compile("ember-1.png"))
    page.keyboard.press("ArrowRight")
    expect(box.locator("img")).to_have_attribute("src", re.compile("ember-2.png"))
    page.keyboard.press("Escape")
    expect(box).to_have_count(0)
    with page.expect_download() as download:
        panel.get_by_role("link", name="Download", exact=True).click()
    assert download.value.suggested_filename.endswith(".zip")


def test_the_slider_and_its_number_follow_each_other(open_page, painter):
    page = open_page(f"/{painter.name}")
    slider = page.get_by_label("pictures, slider")
    slider.fill("5")
    expect(page.get_by_label("pictures", exact=True)).to_have_value("5")
    page.get_by_label("pictures", exact=True).fill("2")
    expect(slider).to_have_value("2")
    page.get_by_role("link", name="Reset").click()
    expect(page.get_by_label("pictures", exact=True)).to_have_value("2")


def test_files_are_chosen_seen_and_read(open_page, models):
    page = open_page(f"/{models('files-echo').name}")
    page.locator("[name='file.file']").set_input_files({"name": "a.txt", "mimeType": "text/plain", "buffer": b"abc"})
    expect(page.locator("[data-field=file] [data-preview]")).to_contain_text("a.txt")
    page.locator("[name='file.more']").set_input_files(
        [{"name": f"{n}.txt", "mimeType": "text/plain", "buffer": b"x" * n} for n in (1, 2)]
    )
    page.get_by_role("button", name="Remove 1.txt").click()
    page.get_by_role("group", name="Show the input as").get_by_role("button", name="Python").click()
    expect(page.locator("#code pre")).to_contain_text('"file": open("a.txt", "rb")')
    tree = run(page).locator(".tree")
    expect(tree).to_contain_text("namea.txt")
    expect(tree).to_contain_text("name2.txt")


def test_camera_and_microphone_make_files(open_page, models):
    page = open_page(f"/{models('files-echo').name}")
    page.context.grant_permissions(["microphone", "camera"])
    page.locator("[data-field=more] [data-capture=image]").click()
    camera = page.get_by_role("dialog", name="Camera")
    camera.locator("video").evaluate("e => e.readyState > 1 || new Promise(done => e.onloadeddata = done)")
    camera.get_by_role("button", name="Take the picture").click()
    expect(page.locator("[data-field=more] [data-preview] img")).to_be_visible()
    record = page.locator("[data-field=file] [data-capture=audio]")
    record.click()
    expect(record).to_have_attribute("aria-label", "Stop recording")
    record.click()
    expect(page.locator("[data-field=file] [data-preview]")).to_contain_text("recording-")


def test_what_waits_says_why_and_can_be_cancelled(open_page, models, api):
    sleeper = models("sleeper")
    first = api("POST", "predictions", json={"version": sleeper.version, "input": {"seconds": SLOW}})
    page = open_page(f"/{sleeper.name}")
    while api("GET", f"predictions/{first['id']}")["status"] == "starting":  # else the page's own goes first
        page.wait_for_timeout(50)
    page.locator("#run-button").click()
    expect(page.locator(".status-reason")).to_contain_text(re.compile("in line", re.IGNORECASE))
    page.get_by_role("button", name="Cancel").click()
    expect(ended(page).locator(".badge").first).to_have_text("Canceled")
    api("POST", f"predictions/{first['id']}/cancel")


def test_a_failure_says_what_and_where_to_report_it(open_page, models, api):
    failing = models("failing")
    api("PATCH", f"models/{failing.name}", json={"github_url": "https://github.com/ann/failing"})
    page = open_page(f"/{failing.name}")
    panel = run(page)
    expect(panel.get_by_role("alert")).to_contain_text("it went wrong")
    report = panel.get_by_role("link", name="Report a problem").get_attribute("href")
    assert report is not None
    assert report.startswith("https://github.com/ann/failing/issues/new?title=Prediction+failed")


def test_sharing_examples_and_deleting(open_page, painter, complaints):
    page = open_page(f"/{painter.name}")
    page.get_by_label("prompt").fill("shared hills")
    panel = run(page)
    id = panel.get_attribute("data-run")
    visitor = open_page(f"/p/{id}", anonymous=True)
    complaints.expect("404")
    expect(visitor.get_by_role("heading", level=1)).to_contain_text("no such page")
    panel.get_by_role("button", name="Share").click()
    expect(page.locator(".shared-link")).to_contain_text(f"/p/{id}")
    assert page.evaluate("navigator.clipboard.readText()").endswith(f"/p/{id}")
    visitor.reload()
    expect(visitor.locator(".input-facts")).to_contain_text("shared hills")
    expect(visitor.locator(".piece.image img")).to_have_count(2)
    expect(visitor.get_by_role("button", name="Delete")).to_have_count(0)
    page.get_by_role("button", name="Stop sharing").click()
    expect(page.get_by_role("button", name="Share", exact=True)).to_be_visible()
    visitor.reload()
    expect(visitor.get_by_role("heading", level=1)).to_contain_text("no such page")
    page.get_by_role("button", name="Add to examples").click()
    expect(page.get_by_role("button", name="Remove from examples")).to_be_visible()
    visitor.goto(f"/{painter.name}")
    expect(visitor.get_by_label("prompt")).to_have_value("shared hills")
    expect(visitor.get_by_role("link", name="Sign in to run this")).to_be_visible()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    page.wait_for_url(f"**/{painter.name}")
    page.goto(f"/p/{id}")
    expect(page.get_by_role("heading", level=1)).to_contain_text("no such page")


def test_a_page_of_a_run_that_goes_on_follows_it(open_page, writer, api):
    made = api("POST", "predictions", json={"version": writer.version, "input": {"prompt": "x", "pace": 0.2}})
    page = open_page(f"/p/{made['id']}")
    expect(page.locator('[data-part="text"]')).to_contain_text("About x")
    ended(page)
    expect(page.locator("#details")).to_contain_text("Succeeded")
    expect(page.locator("#details")).to_contain_text("Ran")
    page.get_by_role("link", name="Run again with changes").click()
    expect(page.get_by_label("prompt")).to_have_value("x")


def test_nothing_that_a_model_makes_runs_here(open_page, painter, writer, api, server):
    made = api.run(painter, {"prompt": "x", "pictures": 1, "evil": True})
    page = open_page(f"/p/{made['id']}")
    expect(page.locator(".piece.image")).to_have_count(2)
    said = api.run(writer, {"prompt": "x", "evil": True})
    page.goto(f"/p/{said['id']}")
    page.get_by_role("button", name="Markdown").click()
    expect(page.locator(".rendered strong")).to_be_visible()
    assert page.locator(".rendered script, .rendered [onerror], .rendered a[href^='javascript']").count() == 0
    for address in made["output"][1:]:
        answer = page.request.get(address)
        assert "sandbox" in answer.headers["content-security-policy"]
        assert "allow" not in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "script-src" not in answer.headers["content-security-policy"]
    assert page.evaluate("window.pwned") is None


def test_everything_works_without_scripts(open_page, painter, complaints):
    complaints.expect("422")  # what is wrong with an input
    page = open_page(f"/{painter.name}", scripts=False)
    page.locator("#run-button").click()
    expect(page.locator("#in-prompt-error")).to_have_text("Is required")
    page.locator("#in-prompt").fill("quiet hills")
    page.locator("button[value=python]").click()
    expect(page.locator("#code pre")).to_contain_text("quiet hills")
    page.locator("button[value=form]").click()
    expect(page.locator("#in-prompt")).to_have_value("quiet hills")
    page.locator("#run-button").click()
    page.wait_for_url("**prediction=*")
    expect(page.locator(".piece.image img")).to_have_count(2, timeout=30_000)
    page.get_by_role("button", name="Share").click()
    expect(page.locator(".toast")).to_contain_text("can see it now")


def test_a_training_is_started_and_followed(open_page, models, complaints):
    complaints.expect("422")
    trainer = models("trainer")
    page = open_page("/create?purpose=fine-tune")
    page.get_by_label("Name").fill("trained-here")
    page.get_by_role("button", name="Create").click()
    page.wait_for_url("**/admin/trained-here")
    page.goto(f"/{trainer.name}/train")
    page.get_by_label("destination").fill("admin/nothing")
    text = {"name": "text.txt", "mimeType": "text/plain", "buffer": b"one two two"}
    page.locator("[name='file.text']").set_input_files(text)
    page.get_by_role("button", name="Start training").click()
    expect(page.locator("#destination-error")).to_contain_text("does not exist")
    page.get_by_label("destination").fill("admin/trained-here")
    page.locator("[name='file.text']").set_input_files(text)
    page.get_by_role("button", name="Start training").click()
    page.wait_for_url("**/p/*")
    expect(page.locator(".run .badge").first).to_have_text("Succeeded", timeout=60_000)
    page.goto("/admin/trained-here/versions")
    expect(page.locator("table")).to_contain_text("latest")
