"""`hearth batch`: run a model over a table of inputs, and fetch what came of it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from hearth.cli.connection import Client, Failure, find
from hearth.cli.options import Data, Json, Limit
from hearth.cli.output import err, show_json, table
from hearth.cli.run import inputs
from hearth.domain.batch import format_of

app = typer.Typer(help="Run a model over many inputs.", no_args_is_help=False)

Id = Annotated[str, typer.Argument(metavar="BATCH")]
PACE = 0.5
"""Seconds between looks at the progress."""


@app.callback(invoke_without_command=True)
def listing(context: typer.Context, json: Json = False, limit: Limit = 100, data: Data = None) -> None:
    """List batches, newest first."""
    if context.invoked_subcommand:
        return
    with Client(find(data)) as client:
        found = list(client.pages("batches", limit))
    if json:
        show_json(found)
        return
    table(
        ("BATCH", "MODEL", "STATUS", "DONE", "FAILED", "OF"),
        [(b["id"], b["model"], b["status"], _done(b), b["counts"]["failed"], b["total"]) for b in found],
        "No batches yet. Make one: hearth batch run FILE OWNER/NAME",
    )


@app.command()
def run(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A table: .csv with a header, .jsonl or .json.")],
    model: Annotated[str, typer.Argument(metavar="OWNER/NAME[:VERSION]")],
    input: Annotated[
        list[str] | None,
        typer.Option("--input", "-i", metavar="KEY=VALUE", help="For all rows; <name> stands for a row's column."),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the results there, a line each.")] = None,
    wait: Annotated[bool, typer.Option(help="Wait for the end.")] = True,
    json: Json = False,
    data: Data = None,
) -> None:
    """Run a model over a table. It goes on when this command ends, and when the server restarts."""
    try:
        rows = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"{file} cannot be read: {error}") from error
    name, _, version = model.partition(":")
    with Client(find(data)) as client:
        common = inputs(client, name, version, input or [], None)
        body = {"version": model, "rows": rows, "format": format_of(file.name), "input": common}
        batch = client.call("POST", "batches", json=body)
        if not json:
            err.print(f"Batch {batch['id']}: {batch['total']} inputs for {batch['model']}")
        if wait:
            batch = _follow(client, batch, quiet=json)
            if out is not None:
                client.download(batch["urls"]["results"], out)
        elif not json:
            err.print(f"Its progress: hearth batch show {batch['id']}")
    if json:
        show_json(batch)
    elif wait:
        _tell(batch)


@app.command()
def show(id: Id, wait: Annotated[bool, typer.Option(help="Wait for the end.")] = False, json: Json = False,
         data: Data = None) -> None:  # fmt: skip
    """Show how far a batch is."""
    with Client(find(data)) as client:
        batch = client.call("GET", f"batches/{id}")
        if wait:
            batch = _follow(client, batch, quiet=json)
    if json:
        show_json(batch)
    else:
        _tell(batch)


@app.command()
def results(
    id: Id, out: Annotated[Path, typer.Option("--out", "-o", help="The file to write.")], data: Data = None
) -> None:
    """Fetch the results so far: a line of JSON for each input, in order."""
    with Client(find(data)) as client:
        client.download(client.call("GET", f"batches/{id}")["urls"]["results"], out)
    err.print(f"Written to {out}")


@app.command()
def cancel(id: Id, data: Data = None) -> None:
    """Make no more predictions, and cancel those that have not ended."""
    with Client(find(data)) as client:
        _tell(client.call("POST", f"batches/{id}/cancel"))


def _follow(client: Client, batch: dict[str, Any], *, quiet: bool) -> dict[str, Any]:
    """The batch as it ended. Ctrl-C leaves it running."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, disable=quiet or not err.is_terminal) as progress:
        task = progress.add_task(batch["model"], total=batch["total"])
        while batch["status"] == "running":
            progress.update(task, completed=_done(batch))
            time.sleep(PACE)
            batch = client.call("GET", f"batches/{batch['id']}")
        progress.update(task, completed=_done(batch))
    return batch


def _done(batch: dict[str, Any]) -> int:
    counts = batch["counts"]
    return int(counts["succeeded"] + counts["failed"] + counts["canceled"])


def _tell(batch: dict[str, Any]) -> None:
    counts = ", ".join(f"{count} {name}" for name, count in batch["counts"].items() if count)
    print(f"{batch['status']}: {counts} of {batch['total']}")
    if batch["error"]:
        raise Failure(batch["error"])
