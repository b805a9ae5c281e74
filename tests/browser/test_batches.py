"""Batches: a model over a table, from its form to its results, with and without scripts."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Api, Complaints, Model, Models

GREETER = """
from cog import BasePredictor, Input

class Predictor(BasePredictor):
    def predict(
        self,
        text: str = Input(description="What to say"),
        times: int = Input(default=1, ge=1, le=5),
    ) -> str:
        if "fail" in text:
            raise ValueError("that cannot be said")
        return " ".join([f"hello {text}"] * times)
"""

WAITING = """
import time

class Predictor:
    def predict(self, n: int) -> int:
        time.sleep(60)
        return n
"""


@pytest.fixture(scope="module")
def greeter(models: Models) -> Model:
    return models.write("greeter", GREETER)


@pytest.fixture(scope="module")
def batch(api: Api, greeter: Model) -> str:
    """Ended: one of its rows failed."""
    rows = [{"text": f"number {n}"} for n in range(104)] + [{"text": "fail"}]
    made = api("POST", "batches", json={"version": greeter.name, "rows": rows, "input": {"times": 2}})
    while (found := api("GET", f"batches/{made['id']}"))["status"] == "running":
        pass
    assert found["counts"]["failed"] == 1
    return str(made["id"])


@pytest.mark.parametrize("path", ["/batches", "/batches/new", "/batches/new?model=admin/greeter", "/batches/{id}"])
def test_every_page_looks_right(open_page, look, accessible, batch: str, path: str):
    theme, size = look
    page = open_page(path.format(id=batch), theme=theme, size=size)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    accessible(page)


def test_a_table_is_checked_while_it_is_typed_and_run(page: Page, greeter: Model, complaints: Complaints):
    complaints.expect_status(422)
    page.goto("/batches/new?model=admin/greeter")
    page.get_by_label("text", exact=False).fill("dear <name>")
    expect(page.locator("#check")).to_contain_text("Columns that the inputs name: name")
    page.get_by_label("Rows", exact=True).fill("name,times\nAlice,1\nBob,9")
    expect(page.locator("#check")).to_contain_text("Row 2: input.times")
    page.get_by_role("button", name="Run all rows").click()
    expect(page.locator("#check")).to_contain_text("Row 2: input.times")
    expect(page.get_by_label("Rows", exact=True)).to_have_value("name,times\nAlice,1\nBob,9")
    page.get_by_label("Rows", exact=True).fill("name,times\nAlice,1\nBob,2")
    expect(page.locator("#check")).to_contain_text("2 rows")
    page.get_by_role("button", name="Run all rows").click()
    expect(page.get_by_text("2 of 2 rows")).to_be_visible()
    results = page.get_by_role("region", name="Results")
    expect(results.get_by_role("row").nth(1)).to_contain_text("hello dear Alice")
    expect(results.get_by_role("row").nth(2)).to_contain_text("hello dear Bob hello dear Bob")


def test_a_file_becomes_the_table(page: Page, greeter: Model, tmp_path: Path):
    table = tmp_path / "table.jsonl"
    table.write_text('{"text": "one"}\n{"text": "two"}\n')
    page.goto("/batches/new?model=admin/greeter")
    page.get_by_label("Or a file").set_input_files(table)
    expect(page.get_by_label("Rows", exact=True)).to_have_value(table.read_text())
    expect(page.locator("#check")).to_contain_text("2 rows")


def test_without_scripts_a_file_is_checked_and_run(open_page, greeter: Model, tmp_path: Path):
    table = tmp_path / "table.csv"
    table.write_text("text\none\ntwo\n")
    page = open_page("/batches/new", scripts=False)
    page.get_by_label("Model", exact=True).fill("admin/greeter")
    page.get_by_role("button", name="Next").click()
    page.get_by_label("Or a file").set_input_files(table)
    page.get_by_role("button", name="Check").click()
    expect(page.locator("#check")).to_contain_text("2 rows")
    page.get_by_label("Or a file").set_input_files(table)
    page.get_by_role("button", name="Run all rows").click()
    page.wait_for_url(re.compile("/batches/[0-9a-z]{26}"))
    expect(page.get_by_role("region", name="Results").get_by_role("row").nth(2)).to_contain_text("two")


def test_a_prompt_with_variables_leaves_the_playground_with_its_inputs(page: Page, greeter: Model):
    page.goto("/admin/greeter")
    page.locator("#in-text").fill("<greeting>, <name>")
    page.locator("#in-times").fill("3")
    page.get_by_role("button", name="Run with a table").click()
    page.wait_for_url(re.compile("/batches/new"))
    expect(page.get_by_label("Rows", exact=True)).to_have_value("greeting,name\n")
    expect(page.locator("#in-text")).to_have_value("<greeting>, <name>")
    expect(page.locator("#in-times")).to_have_value("3")


def test_results_are_paged_and_downloaded(page: Page, batch: str):
    page.goto(f"/batches/{batch}")
    expect(page.get_by_text("105 of 105 rows")).to_be_visible()
    expect(page.get_by_role("region", name="Results").get_by_role("row")).to_have_count(101)
    page.get_by_role("link", name="Rows 101 and on").click()
    rows = page.get_by_role("region", name="Results").get_by_role("row")
    expect(rows).to_have_count(6)
    expect(rows.nth(5)).to_contain_text("that cannot be said")
    page.get_by_role("link", name="Rows before").click()
    expect(rows.nth(1)).to_contain_text("hello number 0")
    with page.expect_download() as download:
        page.get_by_role("link", name="Results as JSONL").click()
    lines = [json.loads(line) for line in Path(download.value.path()).read_text().splitlines()]
    assert [line["position"] for line in lines] == list(range(105))
    assert (lines[0]["output"], lines[-1]["status"]) == ("hello number 0 hello number 0", "failed")


def test_a_batch_is_canceled_and_its_progress_is_live(page: Page, api: Api, models: Models):
    waiting = models.write("waiting", WAITING)
    made = api("POST", "batches", json={"version": waiting.version, "rows": [{"n": n} for n in range(40)]})
    page.goto(f"/batches/{made['id']}")
    expect(page.get_by_text(re.compile(r"\b\d of 40 rows"))).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("No more rows are run")).to_be_visible(timeout=30_000)
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
    expect(page.get_by_text("40 of 40 rows")).to_be_visible(timeout=30_000)
    expect(page.get_by_role("region", name="Results").get_by_role("row").nth(40)).to_contain_text("Canceled")


def test_others_do_not_see_it(open_page, batch: str):
    page = open_page(f"/batches/{batch}", anonymous=True)
    expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()
