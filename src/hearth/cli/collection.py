"""`hearth collection`: list, make, fill and delete collections of models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hearth.cli.connection import Client, Failure, find
from hearth.cli.models import split
from hearth.cli.options import Data, Json, Limit, ModelName
from hearth.cli.output import err, line, show_json, table

app = typer.Typer(help="Collections of models: list, show, and, for admins, change.", no_args_is_help=False)

Slug = Annotated[str, typer.Argument(metavar="SLUG", help="Its name in addresses: text-to-image")]


@app.callback(invoke_without_command=True)
def listing(context: typer.Context, json: Json = False, limit: Limit = 100, data: Data = None) -> None:
    """List the collections, newest first."""
    if context.invoked_subcommand:
        return
    with Client(find(data)) as client:
        found = list(client.pages("collections", limit))
    if json:
        show_json(found)
        return
    table(
        ("SLUG", "NAME", "DESCRIPTION"),
        [(c["slug"], c["name"], line(c["description"])) for c in found],
        "No collections yet. Make one: hearth collection create SLUG --name NAME",
    )


@app.command()
def show(slug: Slug, json: Json = False, data: Data = None) -> None:
    """Show the models of a collection, in order."""
    with Client(find(data)) as client:
        found = client.call("GET", f"collections/{slug}")
    if json:
        show_json(found)
        return
    table(
        ("MODEL", "RUNS", "DESCRIPTION"),
        [(f"{m['owner']}/{m['name']}", m["run_count"], line(m["description"] or "")) for m in found["models"]],
        f"{found['name']} is empty. Fill it: hearth collection add {slug} OWNER/NAME",
    )


@app.command()
def create(
    slug: Slug,
    name: Annotated[str, typer.Option("--name", help="Its name for people.")],
    description: Annotated[str, typer.Option("--description", help="One sentence.")] = "",
    text: Annotated[Path | None, typer.Option("--text", help="A Markdown file: the full description.")] = None,
    data: Data = None,
) -> None:
    """Make a collection."""
    body = {"slug": slug, "name": name, "description": description, "full_description": _read(text)}
    with Client(find(data)) as client:
        client.call("POST", "admin/collections", json=body)
    err.print(f"Fill it: hearth collection add {slug} OWNER/NAME")


@app.command()
def add(slug: Slug, model: ModelName, data: Data = None) -> None:
    """Put a model into a collection, behind the others."""
    with Client(find(data)) as client:
        client.call("POST", f"admin/collections/{slug}/models", json={"model": split(model)})


@app.command()
def remove(slug: Slug, model: ModelName, data: Data = None) -> None:
    """Take a model out of a collection."""
    with Client(find(data)) as client:
        client.call("DELETE", f"admin/collections/{slug}/models/{split(model)}")


@app.command()
def delete(slug: Slug, data: Data = None) -> None:
    """Delete a collection; its models stay."""
    with Client(find(data)) as client:
        client.call("DELETE", f"admin/collections/{slug}")


def _read(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return path.read_text()
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror}") from error
