"""The account: name, password and where it is signed in; API tokens; webhooks and retention; what was used."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hearth.errors import Conflict, HearthError, InvalidRequest
from hearth.service.usage import as_csv, day
from hearth.web import errors, plots, session
from hearth.web.http import Reply, redirect
from hearth.web.request import Request
from hearth.web.route import For, Route

PERIODS = (7, 30, 90, 365)
HOUR = 3600.0
RETENTIONS = ((HOUR, "1 hour"), (24 * HOUR, "1 day"), (168 * HOUR, "7 days"), (720 * HOUR, "30 days"))


async def general(request: Request) -> Reply:
    return await _general(request, {})


async def _general(request: Request, wrong: dict[str, str], status: int = 200) -> Reply:
    account, services = request.signed_in, request.services
    shown = request.query.get("secret") == "show"
    return request.page(
        "account/general.html",
        errors=wrong,
        status=status,
        has_password=await services.signin.has_password(account),
        sessions=await services.sessions.of_account(account),
        secret=await services.accounts.webhook_secret(account) if shown else None,
        retentions=RETENTIONS,
    )


async def name(request: Request) -> Reply:
    return await _changed(request, request.services.accounts.set_name, (await request.form()).get("name"), "Saved.")


async def retention(request: Request) -> Reply:
    text = (await request.form()).get("retention")
    try:
        seconds = float(text) if text else None
    except ValueError:
        seconds = -1.0
    return await _changed(request, request.services.accounts.set_retention, seconds, "Saved.")


async def _changed(request: Request, change: Any, value: Any, toast: str) -> Reply:
    try:
        await change(request.signed_in, value)
    except InvalidRequest as error:
        return await _general(request, errors.by_field(error), 400)
    return redirect("/account", toast=toast)


async def password(request: Request) -> Reply:
    """The present one is asked for, because a browser may have been left alone."""
    form, signin, account = await request.form(), request.services.signin, request.signed_in
    wanted = form.text("password") or ""
    try:
        if await signin.has_password(account):
            await signin.check(account, form.text("current") or "")
        if form.get("remove") == "yes":
            await signin.set_password(account, None, keep=session.read(request))
            return redirect("/account", toast="You have no password now. A token or a link signs you in.")
        await signin.set_password(account, wanted, keep=session.read(request))
    except HearthError as error:
        return await _general(request, errors.by_field(error), errors.problem(error).status)
    return redirect("/account", toast="The password is set. Every other browser has been signed out.")


async def sign_out_elsewhere(request: Request) -> Reply:
    count = await request.services.sessions.end_all(request.signed_in, keep=session.read(request))
    return redirect("/account", toast=f"Signed out elsewhere: {count}.")


async def rotate(request: Request) -> Reply:
    await request.services.accounts.rotate_webhook_secret(request.signed_in)
    return redirect("/account?secret=show", toast="Webhooks are signed with the new secret from now on.")


async def tokens(request: Request) -> Reply:
    return await _tokens(request, {}, request.query.get("new-token-name", ""))


async def _tokens(
    request: Request, wrong: dict[str, str], name: str = "", made: str | None = None, status: int = 200
) -> Reply:
    found = await request.services.accounts.tokens(request.signed_in)
    return request.page("account/tokens.html", tokens=found, errors=wrong, name=name, made=made, status=status)


async def create_token(request: Request) -> Reply:
    """Shown in the answer itself, and nowhere again: it is not stored, so there is no address that has it."""
    name = (await request.form()).get("name")
    try:
        made = await request.services.accounts.new_token(request.signed_in, name)
    except (InvalidRequest, Conflict) as error:
        found = errors.by_field(error)
        return await _tokens(request, {"name": found.get("name", error.message)}, name, status=400)
    return await _tokens(request, {}, name, made)


async def disable_token(request: Request) -> Reply:
    name = (await request.form()).get("name")
    await request.services.accounts.disable_token(request.signed_in, name)
    return redirect("/account/api-tokens", toast=f"The token {name} is refused from now on.")


async def usage(request: Request) -> Reply:
    days, wrong = request.query.get("days", ""), ""
    try:
        first, last = day(request.query.get("from"), "from"), day(request.query.get("to"), "to")
        if not first and days.isdecimal() and int(days) in PERIODS:
            today = (await request.services.usage.report(request.signed_in)).last
            first = (last or today) - timedelta(days=int(days) - 1)
        report = await request.services.usage.report(request.signed_in, first, last)
    except InvalidRequest as error:
        wrong = error.message
        report = await request.services.usage.report(request.signed_in)
    return request.page(
        "account/usage.html",
        report=report,
        plots=plots.of_usage(report),
        models=report.by(lambda used: f"{used.model}{' (trainings)' if used.kind == 'training' else ''}"),
        hardware=report.by(lambda used: used.hardware),
        deployments=[entry for entry in report.by(lambda used: used.deployment or "") if entry[0]],
        periods=PERIODS,
        span=(report.last - report.first).days + 1,
        wrong=wrong,
        status=400 if wrong else 200,
    )


async def usage_csv(request: Request) -> Reply:
    first, last = day(request.query.get("from"), "from"), day(request.query.get("to"), "to")
    report = await request.services.usage.report(request.signed_in, first, last)
    name = f"usage-{report.first}-{report.last}.csv"
    disposition = (b"content-disposition", f'attachment; filename="{name}"'.encode())
    return Reply(as_csv(report).encode(), 200, b"text/csv; charset=utf-8", [disposition])


def _route(method: str, path: str, handler: Any) -> Route:
    return Route(method=method, path=path, handler=handler, whom=For.SIGNED_IN)


ROUTES = (
    _route("GET", "/account", general),
    _route("POST", "/account/name", name),
    _route("POST", "/account/password", password),
    _route("POST", "/account/retention", retention),
    _route("POST", "/account/sessions/end", sign_out_elsewhere),
    _route("POST", "/account/webhook-secret", rotate),
    _route("GET", "/account/api-tokens", tokens),
    _route("POST", "/account/api-tokens", create_token),
    _route("POST", "/account/api-tokens/disable", disable_token),
    _route("GET", "/account/usage", usage),
    Route(method="GET", path="/account/usage.csv", handler=usage_csv, whom=For.SIGNED_IN, programs=True),
)
