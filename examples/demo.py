"""`make demo`: start Hearth, push three models, run them with the official `replicate` client, stay up.

make demo            until Ctrl-C
make demo ONCE=1     stop by itself
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from hearth.cli.connection import Client
from hearth.testing.live import LiveServer
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.syntax import Syntax

HERE = Path(__file__).parent
KINDLING = "models/language/tiny"
MODELS = {"ocr": HERE / "ocr", "search": HERE / "search", "kindling": HERE.parent / KINDLING}
console = Console(highlight=False)
began = time.monotonic()


def say(text: str) -> None:
    console.print(f"[dim]{time.monotonic() - began:5.1f}s[/dim]  {text}")


def call(code: str) -> None:
    console.print(Panel(Syntax(code.strip(), "python", background_color="default"), border_style="dim"))


def free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return probe.connect_ex(("127.0.0.1", port)) != 0


def push(server: LiveServer) -> None:
    """Push all three at the same time; each says how it goes."""
    failures: list[str] = []

    def one(name: str) -> None:
        start = time.monotonic()
        command = server.command("push", str(MODELS[name]), f"admin/{name}", "--create", "--public")
        with subprocess.Popen(
            command, env=os.environ, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        ) as run:
            assert run.stderr is not None
            for line in run.stderr:
                if not line.startswith((" + ", "Using ")):
                    console.print(f"        [dim]{name}:[/dim] {escape(line.rstrip())}", soft_wrap=True)
        if run.returncode:
            failures.append(name)
        else:
            say(f"pushed [bold]admin/{name}[/bold] in {time.monotonic() - start:.1f} s")

    threads = [threading.Thread(target=one, args=(name,)) for name in MODELS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        sys.exit(f"Push failed: {', '.join(failures)}")


def run_all(saved: Path) -> None:
    from replicate.client import Client as Replicate  # reads REPLICATE_BASE_URL and _API_TOKEN when made

    client = Replicate()

    say("OCR of a photographed page")
    call(
        """
page = replicate.run("admin/ocr", input={"image": open("examples/ocr/page.jpg", "rb")})
print(page["text"])
open("page.png", "wb").write(page["page"].read())   # the page, with the boxes drawn
"""
    )
    with (HERE / "ocr" / "page.jpg").open("rb") as image:
        page: Any = client.run("admin/ocr", input={"image": image})
    console.print(page["text"], style="green", markup=False)
    (saved / "page.png").write_bytes(page["page"].read())
    say(f"{len(page['lines'])} lines of text; the page with boxes is in {saved / 'page.png'}")

    say("Search by meaning in a text file")
    call(
        """
hits = replicate.run("admin/search", input={
    "document": open("examples/search/handbook.txt", "rb"),
    "query": "what do we do when somebody gets hurt?", "top_k": 3,
})
"""
    )
    with (HERE / "search" / "handbook.txt").open("rb") as document:
        query = {"document": document, "query": "what do we do when somebody gets hurt?", "top_k": 3}
        hits: Any = client.run("admin/search", input=query)
    for hit in hits:
        console.print(f"{hit['score']:.2f}  {hit['text']}", style="green", markup=False)

    say("A language model of 6 MB, streamed token by token. It means well, and is often wrong")
    call(
        """
for event in replicate.stream("admin/kindling", input={"prompt": "Who are you?"}):
    print(event, end="")
"""
    )
    for prompt in ("Who are you?", "What is a ship?", "Use the word river in a sentence."):
        console.print(prompt, style="bold", markup=False)
        for event in client.stream("admin/kindling", input={"prompt": prompt, "seed": 2}):
            console.print(str(event), end="", style="green", markup=False)
        console.print()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--once", action="store_true", help="stop when everything has run")
    once = parser.parse_args().once
    data = Path(".demo").absolute()
    data.mkdir(exist_ok=True)
    port = 8700 if free(8700) else 0
    if not port:
        say("port 8700 is taken: using another one")
    say("starting the server")
    with LiveServer(data / "hearth-data", port=port) as server:
        say(f"the server answers at [bold]{server.url}[/bold]")
        os.environ.update(server.environment())
        push(server)
        run_all(data)
        with Client(server.connection) as client:
            count = len(list(client.pages("predictions", 1000)))
        say(f"all three ran; {count} predictions are stored. Address: [bold]{server.url}[/bold]")
        if once:
            return
        console.print(f'\nTry it yourself:  eval "$(.venv/bin/hearth env --data {data / "hearth-data"})"')
        console.print("                  .venv/bin/hearth run admin/kindling -i prompt='What is a dog?'")
        console.print("Ctrl-C stops it.")
        try:
            while server.running:
                time.sleep(0.5)
        except KeyboardInterrupt:
            say("stopping")


if __name__ == "__main__":
    main()
