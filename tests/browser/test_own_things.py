"""Account, dashboard, deployments, instances, collections and docs: every page in both themes and at phone width, and
what can be done on them."""

from __future__ import annotations

import csv
import io
import queue
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Api, Complaints, Models

SVG = "<svg xmlns='http://www.w3.org/2000/svg'><script>document.title='owned'</script></svg>"
SCRIPT = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"


@pytest.fixture(scope="module")
def deployment(api: Api, models: Models) -> str:
    """`admin/app`, used a few times."""
    model = models("noop")
    body = {"name": "app", "model": model.name, "version": model.version, "hardware": "cpu"}
    api("POST", "deployments", json={**body, "min_instances": 0, "max_instances": 1})
    made = api("POST", "deployments/admin/app/predictions", json={"input": {}})
    api.ended(made["id"])
    api("PATCH", "deployments/admin/app", json={"max_instances": 2})
    return "admin/app"


@pytest.fixture(scope="module")
def failed(api: Api, models: Models) -> str:
    """A prediction that failed, with a webhook that nobody took."""
    ended = api.run(models("failing"), {}, webhook="http://127.0.0.1:9/nobody", webhook_events_filter=["completed"])
    assert ended["status"] == "failed"
    return str(ended["id"])


def submit(page: Page, name: str) -> None:
    """Press a button that asks first, and say yes."""
    page.get_by_role("button", name=name).first.click()
    page.get_by_role("dialog").get_by_role("button", name=name).click()


# How they look


@pytest.mark.parametrize(
    "path",
    [
        "/account",
        "/account?secret=show",
        "/account/api-tokens",
        "/account/usage",
        "/dashboard",
        "/dashboard?state=failed",
        "/trainings",
        "/deployments",
        "/deployments/create",
        "/deployments/admin/app",
        "/deployments/admin/app/api",
        "/deployments/admin/app/releases",
        "/deployments/admin/app/settings",
        "/instances",
        "/admin/collections",
        "/docs",
        "/docs/quickstart",
        "/docs/webhooks",
    ],
)
def test_every_page_looks_right(open_page, look, accessible, deployment: str, failed: str, path: str):
    theme, size = look
    page = open_page(path, theme=theme, size=size)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    accessible(page)


def test_the_reference_is_one_long_page_and_accessible(open_page, accessible):
    page = open_page("/docs/http")
    expect(page.get_by_role("heading", name="predictions.create", exact=True)).to_be_visible()
    accessible(page)


# Account


def test_a_token_is_made_and_shown_once(page: Page, server, complaints: Complaints):
    complaints.expect_status(400)
    page.goto("/account/api-tokens?new-token-name=ci+runner")
    expect(page.get_by_label("Name")).to_have_value("ci runner")
    page.get_by_role("button", name="Make token").click()
    made = page.locator(".secret code").inner_text()
    assert re.fullmatch(r"r8_\w{37}", made)
    with Api(server, made) as client:
        assert client("GET", "account")["username"] == "admin"
    page.goto("/account/api-tokens")
    assert made not in page.content()
    page.get_by_label("Name").fill("ci runner")
    page.get_by_role("button", name="Make token").click()
    expect(page.locator("#name-error")).to_contain_text("already")


def test_a_disabled_token_is_refused(page: Page, server):
    page.goto("/account/api-tokens")
    page.get_by_label("Name").fill("to be disabled")
    page.get_by_role("button", name="Make token").click()
    made = page.locator(".secret code").inner_text()
    row = page.get_by_role("row").filter(has_text="to be disabled")
    row.get_by_role("button", name="Disable").click()
    page.get_by_role("dialog").get_by_role("button", name="Disable").click()
    expect(page.get_by_role("status").filter(has_text="refused from now on")).to_be_visible()
    expect(row).to_contain_text("disabled")
    with Api(server, made) as client:
        assert client.http.get("account").status_code == 401


def test_without_scripts_the_server_asks_first(open_page):
    page = open_page("/account/api-tokens", scripts=False)
    page.get_by_label("Name").fill("asked about")
    page.get_by_role("button", name="Make token").click()
    row = page.get_by_role("row").filter(has_text="asked about")
    for answer, state in (("No, go back", "enabled"), ("Yes", "disabled")):
        page.goto("/account/api-tokens")
        row.get_by_role("button", name="Disable").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("Disable asked about?")
        page.get_by_text(answer, exact=True).click()
        page.wait_for_url("**/account/api-tokens")
        expect(row).to_contain_text(state)


def test_a_name_with_a_script_in_it_stays_a_name(page: Page):
    page.goto("/account")
    page.get_by_label("What people are shown").fill(SCRIPT[:100])
    page.get_by_role("button", name="Save name").click()
    expect(page.locator(".page-head")).to_contain_text("<img src=x")
    assert page.title() != "owned"
    page.get_by_label("What people are shown").fill("")
    page.get_by_role("button", name="Save name").click()
    expect(page.get_by_text("Saved.")).to_be_visible()


def test_retention_is_chosen_and_the_api_says_so(page: Page, api: Api):
    page.goto("/account")
    page.get_by_label("How long new API predictions").select_option(label="1 day")
    page.get_by_role("button", name="Save retention").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    assert api("GET", "account/settings")["retention"] == 86400
    expect(page.get_by_label("How long new API predictions")).to_have_value("86400.0")
    api("PATCH", "account/settings", json={"retention": None})


def test_the_webhook_secret_is_shown_and_made_anew(page: Page, api: Api):
    page.goto("/account")
    secret = api("GET", "webhooks/default/secret")["key"]
    assert secret not in page.content()
    page.get_by_role("link", name="Show", exact=True).click()
    expect(page.get_by_text(secret)).to_be_visible()
    submit(page, "Make a new one")
    expect(page.get_by_text("Webhooks are signed with the new secret")).to_be_visible()
    fresh = api("GET", "webhooks/default/secret")["key"]
    assert fresh != secret
    expect(page.get_by_text(fresh)).to_be_visible()


def test_usage_is_plotted_and_comes_as_a_table(page: Page, deployment: str):
    page.goto("/account/usage?days=7")
    expect(page.get_by_role("row").filter(has_text="admin/noop")).to_be_visible()
    expect(page.locator(".plot canvas").first).to_be_visible()
    table = page.request.get(page.get_by_role("link", name="CSV").get_attribute("href"))
    assert table.headers["content-disposition"].startswith("attachment; filename=")
    rows = list(csv.DictReader(io.StringIO(table.text())))
    row = next(row for row in rows if row["deployment"] == deployment)
    assert (row["model"], row["hardware"], row["count"]) == ("admin/noop", "cpu", "1")


# Dashboard and history


def test_predictions_are_filtered(page: Page, failed: str, deployment: str):
    page.goto("/dashboard")
    expect(page.get_by_role("link", name=f"Prediction {failed}")).to_be_visible()
    page.get_by_label("State").select_option("succeeded")
    page.get_by_label("Model", exact=True).fill("admin/noop")
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_role("link", name=f"Prediction {failed}")).to_have_count(0)
    expect(page.get_by_role("row").filter(has_text="admin/noop").first).to_be_visible()
    page.get_by_role("link", name="Clear").click()
    expect(page.get_by_role("link", name=f"Prediction {failed}")).to_be_visible()


def test_on_a_phone_rare_filters_wait_behind_a_button(page: Page, failed: str):
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/dashboard")
    expect(page.get_by_label("First day")).to_be_hidden()
    page.get_by_text("More", exact=True).click()
    page.get_by_label("First day").fill("2001-01-01")
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_label("First day")).to_have_value("2001-01-01")
    expect(page.get_by_role("link", name=f"Prediction {failed}")).to_be_visible()
    page.set_viewport_size({"width": 1280, "height": 800})
    page.goto("/dashboard")
    expect(page.get_by_label("First day")).to_be_visible()


def test_the_dashboard_keeps_up_with_what_runs(page: Page, api: Api, models: Models):
    model = models("sleeper")
    page.goto("/dashboard")
    made = api("POST", "predictions", json={"version": model.version, "input": {"seconds": 60}})
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name=f"Prediction {made['id']}"))
    expect(row).to_contain_text(re.compile("Running|Booting|Starting|Queued"), timeout=15_000)
    api("POST", f"predictions/{made['id']}/cancel")
    expect(row).to_contain_text("Canceled", timeout=15_000)


def test_a_prediction_tells_its_history_and_sends_webhooks_again(page: Page, api: Api, failed: str):
    page.goto(f"/p/{failed}")
    timeline = page.locator(".timeline")
    expect(timeline).to_contain_text("Created")
    expect(timeline).to_contain_text("The run began")
    expect(timeline).to_contain_text("Failed")
    hooks = page.get_by_role("region", name="Webhook deliveries")
    expect(hooks).to_contain_text("completed")
    assert api("GET", f"predictions/{failed}/webhooks")["results"][0]["attempts"]


def test_a_webhook_is_sent_again_from_its_page(page: Page, api: Api, models: Models):
    came = queue.Queue[str]()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came.put(self.rfile.read(int(self.headers["content-length"])).decode())
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as receiver:
        threading.Thread(target=receiver.serve_forever).start()
        address = f"http://127.0.0.1:{receiver.server_port}/hook"
        ended = api.run(models("noop"), {}, webhook=address, webhook_events_filter=["completed"])
        first = came.get(timeout=20)
        page.goto(f"/p/{ended['id']}")
        page.get_by_role("button", name="Send again").click()
        assert came.get(timeout=20) == first
        receiver.shutdown()


def test_logs_and_errors_run_no_script(page: Page, models: Models, api: Api):
    code = (
        "from cog import BasePredictor\n\nclass Predictor(BasePredictor):\n"
        f"    def predict(self) -> str:\n        print({SCRIPT!r}, flush=True)\n        raise ValueError({SCRIPT!r})\n"
    )
    ended = api.run(models.write("hostile", code), {})
    page.goto(f"/p/{ended['id']}")
    expect(page.locator(".timeline")).to_contain_text("onerror")
    assert page.title() != "owned"


def test_outputs_readmes_and_pictures_run_no_script(page: Page, models: Models, api: Api, complaints: Complaints):
    complaints.expect(
        "Blocked script execution in", 'violates the following Content Security Policy directive: "img-src'
    )
    code = (
        "from cog import BasePredictor, Path\n\nclass Predictor(BasePredictor):\n"
        f"    def predict(self) -> list[Path]:\n        Path('a.svg').write_text({SVG!r})\n"
        f"        Path('b.html').write_text({SCRIPT!r})\n        return [Path('a.svg'), Path('b.html')]\n"
    )
    drawn = models.write("hostile-files", code)
    files = api.run(drawn, {})
    words = models.write(
        "hostile-words",
        "from cog import BasePredictor\n\nclass Predictor(BasePredictor):\n"
        f"    def predict(self) -> str:\n        return {SCRIPT + '[x](javascript:alert(1))'!r}\n",
    )
    said = api.run(words, {})
    api("PATCH", f"models/{words.name}", json={"readme": f"# Hi\n\n{SCRIPT}\n\n[x](javascript:alert(1))"})
    for path in (f"/p/{files['id']}", f"/p/{said['id']}", f"/{words.name}/readme", f"/{words.name}"):
        page.goto(path)
        page.wait_for_load_state("networkidle")
        assert page.title() != "owned", path
        assert page.locator("a[href^='javascript']").count() == 0, path
    for url in files["output"]:
        page.goto(url)
        assert page.title() != "owned", url
        reply = page.request.get(url)
        assert "sandbox" in reply.headers["content-security-policy"], url


# Deployments


def test_a_deployment_is_created_released_rolled_back_disabled(
    page: Page, api: Api, models: Models, complaints: Complaints
):
    complaints.expect_status(400)
    model = models("noop")
    page.goto("/deployments/create")
    page.get_by_label("Name").fill("Not A Name")
    page.get_by_label("Model", exact=True).fill(model.name)
    page.get_by_label("Model", exact=True).press("Tab")
    expect(page.get_by_label("Version").locator("option")).to_have_count(2)
    page.get_by_label("Instances at least").fill("1")
    page.get_by_label("At most").fill("2")
    expect(page.locator("[data-cost-min]")).to_have_text("0.36 an hour · 259.20 a month")
    page.get_by_role("button", name="Create deployment").click()
    expect(page.locator("#name-error")).to_contain_text("lower-case")
    expect(page.get_by_label("At most")).to_have_value("2")
    page.get_by_label("Name").fill("walked")
    page.get_by_role("button", name="Create deployment").click()
    page.wait_for_url("**/deployments/admin/walked")
    page.get_by_role("link", name="Settings").click()
    page.get_by_label("Instances at least").fill("0")
    page.get_by_label("At most").fill("3")
    page.get_by_role("button", name="Release", exact=True).click()
    expect(page.get_by_text("Release 2 is on its way.")).to_be_visible()
    page.get_by_role("link", name="Releases").click()
    submit(page, "Roll back")
    expect(page.get_by_text("Release 3 is as 1 was.")).to_be_visible()
    current = api("GET", "deployments/admin/walked")["current_release"]
    assert (current["number"], current["configuration"]["max_instances"]) == (3, 2)
    page.get_by_role("link", name="Settings").click()
    submit(page, "Disable deployment")
    expect(page.locator(".badge").filter(has_text="Disabled")).to_be_visible()
    page.get_by_role("link", name="Settings").click()
    submit(page, "Delete deployment")
    page.wait_for_url(re.compile(r"/deployments$"))
    assert api.http.get("deployments/admin/walked").status_code == 404


def test_a_deployment_shows_code_and_plots(page: Page, deployment: str):
    page.goto(f"/deployments/{deployment}")
    expect(page.locator(".plot")).to_have_count(6)
    expect(page.locator(".plot canvas")).to_have_count(6)
    page.get_by_role("link", name="API", exact=True).click()
    expect(page.get_by_text('client.deployments.get("admin/app")')).to_be_visible()
    page.goto("/deployments")
    expect(page.get_by_role("row").filter(has_text=deployment)).to_contain_text("Live")


def test_an_owner_keeps_a_deployment_and_a_model_warm(
    page: Page, api: Api, deployment: str, models: Models, complaints: Complaints
):
    complaints.expect_status(400, 422)
    for path, target in (
        (f"/deployments/{deployment}/settings", f"deployments/{deployment}"),
        (f"/{models('noop').name}/settings", f"models/{models('noop').name}"),
    ):
        page.goto(path)
        form = page.locator("#warm")
        expect(form).to_contain_text("Nothing is kept warm")
        form.get_by_label("Instances kept warm").fill("1")
        form.get_by_label("When").fill("whenever")
        form.get_by_role("button", name="Save").click()
        expect(form.get_by_role("alert")).to_contain_text("schedule")
        form.get_by_label("When").fill("sun 3-3:30")
        form.get_by_label("Time zone").fill("Europe/Berlin")
        form.get_by_label("Idle instances stay").fill("90")
        form.get_by_label("Longest line").fill("7")
        form.get_by_role("button", name="Save").click()
        expect(form.locator(".notice")).to_contain_text("sun 3-3:30 (Europe/Berlin)")
        wanted = api("GET", f"{target}/scaling")
        assert (wanted["warm"], wanted["idle_timeout"], wanted["timezone"]) == (1, 90.0, "Europe/Berlin")
        assert wanted["max_waiting"] == 7
        api("DELETE", f"{target}/scaling")


# Instances


def test_instances_are_booted_and_stopped(page: Page, api: Api, models: Models):
    model = models("output-str")
    page.goto("/instances")
    page.get_by_label("Model", exact=True).fill(model.name)
    page.get_by_role("button", name="Boot", exact=True).click()
    row = page.get_by_role("region", name="Instances").get_by_role("row").filter(has_text=model.name)
    expect(row).to_contain_text("ready", timeout=30_000)
    row.get_by_role("button", name="Stop").click()
    page.get_by_role("dialog").get_by_role("button", name="Stop").click()
    expect(row).to_have_count(0, timeout=15_000)


def test_the_engine_is_paused_with_a_reason_and_resumed(page: Page):
    page.goto("/instances")
    page.get_by_role("button", name="Pause").click()
    page.get_by_label("Why, for those who wait").fill("New GPU")
    page.get_by_role("dialog").get_by_role("button", name="Pause").click()
    expect(page.get_by_role("status").filter(has_text="Paused: New GPU")).to_be_visible()
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_text("Paused: New GPU")).to_have_count(0)


def test_a_model_is_kept_warm(page: Page, models: Models, complaints: Complaints):
    complaints.expect_status(400)
    model = models("output-str")
    page.goto("/instances")
    page.get_by_label("Which").fill(model.name)
    page.get_by_label("When").fill("no such time")
    page.get_by_role("button", name="Keep warm").click()
    expect(page.get_by_role("alert")).to_contain_text("schedule")
    page.get_by_label("When").fill("weekdays 8-19")
    page.get_by_role("button", name="Keep warm").click()
    expect(page.get_by_text(re.compile(f"{model.name}: 1 instance is kept warm"))).to_be_visible()
    page.get_by_label("Which").fill(model.name)
    page.get_by_role("spinbutton", name="Instances").fill("0")
    page.get_by_role("button", name="Keep warm").click()
    expect(page.get_by_text(f"{model.name}: nothing is kept warm")).to_be_visible()


def test_instances_are_for_admins(open_page):
    page = open_page("/instances", anonymous=True)
    assert "/signin" in page.url


# Collections


def test_a_collection_is_made_filled_and_deleted(page: Page, models: Models, complaints: Complaints):
    complaints.expect_status(400)
    models("noop")
    page.goto("/admin/collections")
    page.get_by_label("Name").fill("For tests")
    page.get_by_label("Address").fill("for-tests")
    page.get_by_role("button", name="Make collection").click()
    page.get_by_label("Add a model").fill("admin/no-such")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("#model-error")).to_contain_text("no model")
    page.get_by_label("Add a model").fill("admin/noop")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_role("row")).to_contain_text("admin/noop")
    page.get_by_label("Description").fill("Made by a test")
    page.get_by_role("button", name="Save").click()
    page.goto("/collections/for-tests")
    expect(page.locator("main")).to_contain_text("Made by a test")
    page.goto("/admin/collections/for-tests")
    page.get_by_role("button", name="Take admin/noop out").click()
    expect(page.get_by_text("It is empty.")).to_be_visible()
    submit(page, "Delete collection")
    page.wait_for_url("**/admin/collections")


# Docs


def test_docs_lead_to_each_other_and_come_as_markdown(open_page, server):
    page = open_page("/docs", anonymous=True)
    page.get_by_role("link", name="Quickstart").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Quickstart")
    markdown = page.request.get("/docs/quickstart.md")
    assert markdown.headers["content-type"].startswith("text/markdown")
    assert markdown.text().startswith("# Quickstart")
    found = page.request.get("/llms.txt").text()
    assert f"({server.url}/docs/quickstart.md)" in found
    for address in set(re.findall(r'href="(/docs/[\w-]+)', page.content())):
        assert page.request.get(address).ok, address


def test_every_link_between_docs_leads_somewhere(open_page):
    page = open_page("/docs", anonymous=True)
    names = set(re.findall(r'href="/docs/([\w-]+)"', page.content()))
    texts = {name: page.request.get(f"/docs/{name}").text() for name in names}
    for name, text in texts.items():
        for target, anchor in re.findall(r'href="/docs/([\w-]+)(?:#([\w-]+))?"', text):
            assert target in texts, f"{name} links to {target}"
            assert not anchor or f'id="{anchor}"' in texts[target], f"{name} links to {target}#{anchor}"
