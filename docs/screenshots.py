"""Writes docs/screenshots/: every page, at a desk and on a phone, in light and dark, as small WebP pictures.

`python docs/screenshots.py` starts a server of its own with the example models, so that pages have something to show.
It needs Chromium and the `playwright` package, as tests/browser do.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import io
import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, Page, sync_playwright

from hearth.cli.push import push
from hearth.testing.live import LiveServer

ROOT = Path(__file__).parents[1]
OUT = Path(__file__).with_name("screenshots")
PAINTER = ROOT / "tests" / "browser" / "painter.py"
SIZES = {"desk": (1280, 800), "phone": (390, 844)}
THEMES = ("light", "dark")
QUALITY = 0.5
LIMIT = 2 * 1024 * 1024
"""Bytes of all pictures together."""
TO_WEBP = """async ([png, quality]) => {
  const image = new Image();
  image.src = "data:image/png;base64," + png;
  await image.decode();
  const canvas = new OffscreenCanvas(image.width, image.height);
  canvas.getContext("2d").drawImage(image, 0, 0);
  const blob = await canvas.convertToBlob({ type: "image/webp", quality });
  const bytes = new Uint8Array(await blob.arrayBuffer());
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}"""


class World:
    """A server with models, examples, runs of every outcome, and a collection."""

    def __init__(self, server: LiveServer) -> None:
        self.server = server
        self.http = httpx.Client(
            base_url=f"{server.url}/v1/", headers={"Authorization": f"Bearer {server.token}"}, timeout=120
        )

    def api(self, method: str, path: str, body: Any = None) -> Any:
        reply = self.http.request(method, path, json=body)
        reply.raise_for_status()
        return reply.json() if reply.content else None

    def push(self, folder: Path, name: str) -> None:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            push(folder, f"admin/{name}", create=True, public=True, json=True, data=self.server.data)

    def run(self, model: str, input: dict[str, Any], *, wait: bool = True) -> dict[str, Any]:
        made = self.api("POST", f"models/admin/{model}/predictions", {"input": input})
        while wait and made["status"] in ("starting", "processing"):
            time.sleep(0.1)
            made = self.api("GET", f"predictions/{made['id']}")
        return dict(made)

    def fill(self, scratch: Path) -> dict[str, str]:
        """Paths of pages by the name of their pictures."""
        scratch.joinpath("predict.py").write_text(PAINTER.read_text())
        scratch.joinpath("cog.yaml").write_text('build:\n  python_version: "3.11"\nrun: "predict.py:Predictor"\n')
        self.push(scratch, "painter")
        for name in ("storyteller", "ocr", "trainable", "resize", "hello"):
            self.push(ROOT / "examples" / name, name)
        for name in ("setup-slow", "failing", "sleeper"):
            self.push(ROOT / "tests" / "models" / name, name)
        about = {"description": "Paints hills under a low sun.", "github_url": "https://github.com/example/painter"}
        self.api("PATCH", "models/admin/painter", {**about, "readme": "# Painter\n\nHills, in three palettes."})
        for palette, prompt in (
            ("ember", "hills in the last light"),
            ("sea", "a cold coast"),
            ("meadow", "a valley in May"),
        ):
            made = self.run("painter", {"prompt": prompt, "palette": palette, "pictures": 4})
            self.api("POST", "models/admin/painter/examples", {"prediction": made["id"]})
        self.api(
            "POST",
            "admin/collections",
            {"slug": "pictures", "name": "Pictures", "description": "Make them, read them."},
        )
        for model in ("painter", "ocr", "resize"):
            self.api("POST", "admin/collections/pictures/models", {"model": f"admin/{model}"})
        story = self.run("storyteller", {"prompt": "The lighthouse keeper", "max_tokens": 120})
        failed = self.run("failing", {"message": "the model ran out of patience"})
        running = self.run("sleeper", {"seconds": 900}, wait=False)
        self.run("sleeper", {"seconds": 900}, wait=False)
        hills = self.run("painter", {"prompt": "hills at dusk", "palette": "ember", "pictures": 4})
        other = [self.run("painter", {"prompt": "hills", "palette": p, "pictures": 1})["id"] for p in ("ember", "sea")]
        compared = "&".join([f"m=admin/painter&m=admin/painter:{hills['version']}", *(f"p={id}" for id in other)])
        return {
            "home": "/", "explore": "/explore", "search": "/search?query=pictures",
            "collection": "/collections/pictures", "profile": "/admin",
            "playground": f"/admin/painter?prediction={hills['id']}",
            "playground-text": f"/admin/storyteller?prediction={story['id']}",
            "playground-code": "/admin/painter?input=python", "failed": f"/admin/failing?prediction={failed['id']}",
            "running": f"/p/{running['id']}", "prediction": f"/p/{hills['id']}", "api": "/admin/painter/api",
            "examples": "/admin/painter/examples", "readme": "/admin/ocr/readme", "versions": "/admin/painter/versions",
            "train": "/admin/trainable/train", "settings": "/admin/painter/settings", "create": "/create",
            "compare": f"/compare?{compared}", "dashboard": "/dashboard", "deployments": "/deployments",
            "deployment-create": "/deployments/create?model=admin/painter", "instances": "/instances",
            "account": "/account", "tokens": "/account/api-tokens", "docs": "/docs",
        }  # fmt: skip


def shoot(browser: Browser, world: World, pages: dict[str, str], only: str | None) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(world.api("POST", "account/links")["url"])
    page.get_by_role("button", name="Sign in as admin").click()
    page.wait_for_url(f"{world.server.url}/")
    signed_in: Any = context.storage_state()
    for theme in THEMES:
        for size, (width, height) in SIZES.items():
            looking = browser.new_context(
                base_url=world.server.url,
                viewport={"width": width, "height": height},
                color_scheme="dark" if theme == "dark" else "light",
                storage_state=signed_in,
                reduced_motion="reduce",
            )
            shown = looking.new_page()
            for name, path in pages.items():
                if only is None or only == name:
                    take(shown, page, path, OUT / f"{name}-{size}-{theme}.webp")
            looking.close()


def take(shown: Page, painter: Page, path: str, file: Path) -> None:
    answer = shown.goto(path)
    if answer is None or answer.status != 200:
        print(f"{path}: {answer.status if answer else 'nothing'}, left out")
        return
    shown.wait_for_timeout(500)
    png = base64.b64encode(shown.screenshot()).decode()
    file.write_bytes(base64.b64decode(painter.evaluate(TO_WEBP, [png, QUALITY])))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", help="the name of one page")
    only = parser.parse_args().only
    program = shutil.which("chromium") or shutil.which("google-chrome")
    OUT.mkdir(exist_ok=True)
    hardware = {"cpu": {"price": 0.0001}}
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder) / "painter"
        scratch.mkdir()
        variables = {"HEARTH_HARDWARE": json.dumps(hardware), "HEARTH_DRAIN_TIMEOUT": "1"}
        with LiveServer(Path(folder) / "data", tls=False, variables=variables) as server:
            world = World(server)
            pages = world.fill(scratch)
            with sync_playwright() as playwright:
                arguments = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
                browser = playwright.chromium.launch(executable_path=program, args=arguments)
                shoot(browser, world, pages, only)
                browser.close()
    size = sum(file.stat().st_size for file in OUT.iterdir())
    print(f"{len(list(OUT.iterdir()))} pictures, {size / 1024:.0f} kB")
    if size > LIMIT:
        raise SystemExit(f"They should be at most {LIMIT // 1024} kB together.")


if __name__ == "__main__":
    main()
