"""`hearth train` and `hearth trainings`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from hearth.cli.connection import Client, Failure, find
from hearth.cli.options import Data, Json, Limit
from hearth.cli.output import err, line, show_json, table, when
from hearth.cli.run import follow, inputs


def train(
    model: Annotated[str, typer.Argument(metavar="OWNER/NAME[:VERSION]", help="What to train.")],
    destination: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="The model that gets the result.")],
    input: Annotated[
        list[str] | None,
        typer.Option("--input", "-i", metavar="KEY=VALUE", help="An input; KEY=@PATH uploads a file."),
    ] = None,
    json_input: Annotated[str | None, typer.Option("--json-input", help="All inputs as one JSON object.")] = None,
    create: Annotated[bool, typer.Option("--create", help="Make the destination if it does not exist.")] = False,
    webhook: Annotated[str | None, typer.Option(help="URL that hears of the result.")] = None,
    json: Json = False,
    data: Data = None,
) -> None:
    """Train a model; the result is a new version of the destination, whose name is printed."""
    name, _, version = model.partition(":")
    with Client(find(data)) as client:
        values = inputs(client, name, version, input or [], json_input, component="TrainingInput")
        if create:
            _ensure(client, destination)
        body: dict[str, Any] = {"destination": destination, "input": values}
        if webhook:
            body["webhook"] = webhook
        training = client.call("POST", f"models/{name}/versions/{version or 'latest'}/trainings", json=body)
        try:
            follow(client, training, quiet=json)
        except KeyboardInterrupt:
            client.call("POST", f"trainings/{training['id']}/cancel")
            err.print(f"\nCanceled {training['id']}.")
            raise typer.Exit(130) from None
        training = client.call("GET", f"trainings/{training['id']}")
    if json:
        show_json(training)
    elif training["status"] == "succeeded":
        print(training["output"]["version"])
    if training["status"] == "failed":
        raise Failure(f"The training failed: {training['error']}")
    if training["status"] != "succeeded":
        raise Failure(f"The training was {training['status']}.", f"Its story: hearth logs --json {training['id']}")


def trainings(json: Json = False, limit: Limit = 20, data: Data = None) -> None:
    """List your latest trainings."""
    with Client(find(data)) as client:
        found = list(client.pages("trainings", limit))
    if json:
        show_json(found)
        return
    table(
        ("ID", "MODEL", "DESTINATION", "STATUS", "CREATED", "RESULT"),
        [
            (
                t["id"],
                t["model"],
                t["destination"],
                t["status"],
                when(t["created_at"]),
                line(t.get("error") or t.get("output", {}).get("version", ""), 60),
            )
            for t in found
        ],
        "No trainings yet. Make one: hearth train OWNER/MODEL OWNER/DESTINATION -i key=value",
    )


def _ensure(client: Client, destination: str) -> None:
    owner, _, name = destination.partition("/")
    body = {"owner": owner, "name": name, "visibility": "private", "hardware": "cpu"}
    try:
        client.call("POST", "models", json=body)
    except Failure as failure:
        if "already exists" not in str(failure):
            raise
