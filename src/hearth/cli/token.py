"""`hearth token`: list, make and disable API tokens."""

from __future__ import annotations

from typing import Annotated

import typer

from hearth.cli.connection import Client, find
from hearth.cli.options import Data, Json
from hearth.cli.output import err, show_json, table, when
from hearth.domain.priority import Priority

app = typer.Typer(help="API tokens: list, create, disable.", no_args_is_help=False)

Name = Annotated[str, typer.Argument(metavar="NAME")]


@app.callback(invoke_without_command=True)
def listing(context: typer.Context, json: Json = False, data: Data = None) -> None:
    """List your tokens (the tokens themselves are shown only when made)."""
    if context.invoked_subcommand:
        return
    with Client(find(data)) as client:
        found = client.call("GET", "tokens")["results"]
    if json:
        show_json(found)
        return
    table(
        ("NAME", "ENDS WITH", "MADE", "STATE", "PRIORITY"),
        [
            (t["name"], t["hint"], when(t["created_at"]), "disabled" if t["disabled_at"] else "enabled", t["priority"])
            for t in found
        ],
        "No tokens.",
    )


Account = Annotated[str | None, typer.Option("--account", metavar="USERNAME", help="Whose it is; for admins.")]


Ceiling = Annotated[Priority | None, typer.Option("--priority", help="The most urgent its predictions may be.")]


@app.command()
def create(
    name: Name, account: Account = None, priority: Ceiling = None, json: Json = False, data: Data = None
) -> None:
    """Make a token and print it, once."""
    path = "tokens" if account is None else f"admin/accounts/{account}/tokens"
    body = {"name": name} if priority is None else {"name": name, "priority": priority.value}
    with Client(find(data)) as client:
        made = client.call("POST", path, json=body)
    if json:
        show_json(made)
        return
    print(made["token"])
    err.print("Keep it: it is not shown again.")


@app.command()
def disable(name: Name, json: Json = False, data: Data = None) -> None:
    """Disable a token by its name; whoever uses it is locked out at once."""
    with Client(find(data)) as client:
        client.call("DELETE", f"tokens/{name}")
    if json:
        show_json({"name": name, "disabled": True})
        return
    err.print(f"Token {name!r} is disabled.")
