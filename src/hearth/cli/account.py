"""`hearth account`: who am I, and, for admins, everybody."""

from __future__ import annotations

from typing import Annotated

import typer

from hearth.cli.connection import Client, Failure, find
from hearth.cli.options import Data, Json, Limit
from hearth.cli.output import err, show_json, table, when

app = typer.Typer(help="Accounts: your own; for admins: list, create.", no_args_is_help=False)


@app.callback(invoke_without_command=True)
def whoami(context: typer.Context, json: Json = False, data: Data = None) -> None:
    """Show the account that you act as."""
    if context.invoked_subcommand:
        return
    with Client(find(data)) as client:
        found = client.call("GET", "account")
    if json:
        show_json(found)
        return
    print(f"{found['username']} ({found['type']})")


Rate = Annotated[str | None, typer.Option(metavar="N", help="Calls a minute; 0: no limit, server: as it has it.")]


@app.command()
def limit(
    username: Annotated[str, typer.Argument(metavar="NAME")],
    creates: Rate = None,
    others: Rate = None,
    retention: Annotated[
        str | None, typer.Option(metavar="SECONDS", help="Keep data of new API predictions; server: as it has it.")
    ] = None,
    json: Json = False,
    data: Data = None,
) -> None:
    """Show or set an account's rate limits and retention. For admins."""
    given = {"creates_per_minute": creates, "others_per_minute": others, "retention": retention}
    body = {name: _number(name, text) for name, text in given.items() if text is not None}
    with Client(find(data)) as client:
        client.call("GET", f"admin/accounts/{username}")  # only accounts that are there
        found = client.call("PUT", f"admin/accounts/{username}", json=body)
    if json:
        show_json(found)
        return
    unset = {None: "as the server has it", 0: "no limit"}
    table(
        ("ACCOUNT", "CREATES A MINUTE", "OTHERS A MINUTE", "RETENTION"),
        [(username, *(unset.get(found[n], found[n]) for n in ("creates_per_minute", "others_per_minute")),
          unset[None] if found["retention"] is None else f"{found['retention']:g} s")],
        "",
    )  # fmt: skip


def _number(name: str, text: str) -> int | None:
    if text == "server":
        return None
    if not text.isdecimal():
        raise Failure(f"{name}: expected a number or `server`, got {text!r}")
    return int(text)


@app.command()
def link(json: Json = False, data: Data = None) -> None:
    """Print an address that signs a browser in as you. It works once, for ten minutes."""
    with Client(find(data)) as client:
        made = client.call("POST", "account/links")
    if json:
        show_json(made)
        return
    print(made["url"])


@app.command()
def password(
    remove: Annotated[bool, typer.Option("--remove", help="Sign in with tokens and links only.")] = False,
    json: Json = False,
    data: Data = None,
) -> None:
    """Choose the password that signs you in with a browser. Browsers that are signed in must do it again."""
    with Client(find(data)) as client:
        username = client.call("GET", "account")["username"]
        chosen = (
            None if remove else typer.prompt(f"New password of {username}", hide_input=True, confirmation_prompt=True)
        )
        client.call("PUT", "account/password", json={"password": chosen})
    if json:
        show_json({"username": username, "password": chosen is not None})
        return
    err.print(f"{username} has {'no' if chosen is None else 'a new'} password.")


@app.command("list")
def listing(json: Json = False, limit: Limit = 100, data: Data = None) -> None:
    """List all accounts, newest first. For admins."""
    with Client(find(data)) as client:
        found = list(client.pages("admin/accounts", limit))
    if json:
        show_json(found)
        return
    table(
        ("ACCOUNT", "TYPE", "ADMIN", "MADE"),
        [(a["username"], a["type"], "yes" if a["admin"] else "", when(a["created_at"])) for a in found],
        "No accounts.",
    )


@app.command()
def create(
    username: Annotated[str, typer.Argument(metavar="NAME")],
    organization: Annotated[bool, typer.Option("--organization", help="Not a person.")] = False,
    name: Annotated[str, typer.Option("--name", help="Its name for people.")] = "",
    json: Json = False,
    data: Data = None,
) -> None:
    """Make an account and print its token, once. For admins."""
    body = {"username": username, "type": "organization" if organization else "user", "name": name}
    with Client(find(data)) as client:
        made = client.call("POST", "admin/accounts", json=body)
    if json:
        show_json(made)
        return
    print(made["token"])
    err.print(f"This is the token of {username}. Keep it: it is not shown again.")
