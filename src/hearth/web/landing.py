"""The page behind the address that `hearth serve` prints: what this is, and how to go on from here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from html import escape
from typing import Any

from hearth import __version__

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

HEADERS = [
    (b"content-type", b"text/html; charset=utf-8"),
    (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
]

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
  :root {{ color-scheme: light dark; --ink: #1d1b18; --paper: #fdfcfa; --soft: #6b655c; --code: #f1eee8; }}
  @media (prefers-color-scheme: dark) {{
    :root {{ --ink: #ece8e1; --paper: #191714; --soft: #a39c90; --code: #26231f; }}
  }}
  body {{ max-width: 42rem; margin: 12vh auto; padding: 0 1.25rem; color: var(--ink); background: var(--paper);
         font: 17px/1.6 system-ui, sans-serif; }}
  h1 {{ font-size: 2rem; line-height: 1.2; margin: 0 0 .5rem; }}
  h2 {{ font-size: 1.05rem; margin: 2rem 0 .5rem; }}
  p {{ margin: .5rem 0; }}
  .soft {{ color: var(--soft); }}
  pre {{ background: var(--code); padding: .9rem 1rem; border-radius: .5rem;
         white-space: pre-wrap; overflow-wrap: anywhere;
         font-size: .85rem; }}
</style>
<main>
{body}
<p class="soft">Hearth {version}</p>
</main>
</html>
"""

WELCOME = """<h1>Hearth is running.</h1>
<p class="soft">Models in the Cog format, behind Replicate's API, on this machine.</p>
<h2>Push a model and run it</h2>
<pre>hearth push examples/hello admin/hello --create
hearth run admin/hello -i text=world</pre>
<h2>Use an official client</h2>
<pre>eval "$(hearth env)"
python -c 'import replicate; print(replicate.run("admin/hello", input={{"text": "world"}}))'</pre>
<h2>Plain HTTP</h2>
<pre>curl -H "Authorization: Bearer $HEARTH_TOKEN" {origin}/v1/account</pre>
"""


class Landing:
    """An ASGI app for paths that are not the API's: a welcome at `/`, an honest 404 elsewhere."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] in ("/", ""):
            status, title, body = 200, "Hearth", WELCOME.format(origin=escape(_origin(scope)))
        else:
            status, title = 404, "Not found"
            body = "<h1>There is no such page.</h1><p>The API lives under <code>/v1</code>.</p>"
        page = PAGE.format(title=title, body=body, version=__version__).encode()
        headers = [*HEADERS, (b"content-length", str(len(page)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else page})


def _origin(scope: Scope) -> str:
    host = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "127.0.0.1:8700")
    return f"{scope.get('scheme', 'http')}://{host}"
