"""Signing in with a password, a token or a link; choosing a password on the first visit; signing out."""

from __future__ import annotations

from hearth.errors import HearthError, Throttled
from hearth.web import errors, session
from hearth.web.http import Reply, redirect
from hearth.web.request import Request
from hearth.web.route import For, Route
from hearth.web.theme import local

WAYS = ("password", "token")


async def form(request: Request) -> Reply:
    if request.account is not None:
        return redirect(_after(request.query.get("next", "")))
    return _form(request, next=request.query.get("next", ""))


async def sign_in(request: Request) -> Reply:
    """Whatever is wrong stands on the form, which never says which half of a guess was right."""
    form, signin = await request.form(), request.services.signin
    next, way = form.get("next"), "token" if form.get("way") == "token" else "password"
    username, where = form.get("username"), session.address(request)
    try:
        if way == "token":
            account = await signin.with_token(form.get("token"), where)
        else:
            account = await signin.with_password(username, form.text("password") or "", where)
    except HearthError as error:
        return _form(request, error, way=way, username=username, next=next)
    await session.begin(request, account, form.get("token") if way == "token" else None)
    return redirect(_after(next))


async def welcome(request: Request) -> Reply:
    """What a link leads to. Looking at it does not use it up: mail programs and chats look at links, too."""
    code = request.query.get("code", "")
    account = await request.services.sessions.linked(code) if code else None
    if account is None:
        return request.page("setup.html", invited=None, code="", known=False, errors={}, status=404 if code else 200)
    known = await request.services.signin.has_password(account)
    return request.page("setup.html", invited=account, code=code, known=known, errors={})


async def set_up(request: Request) -> Reply:
    form, signin = await request.form(), request.services.signin
    code, password = form.get("code"), form.text("password") or ""
    account = await request.services.sessions.linked(code)
    if account is None:
        return request.page("setup.html", invited=None, code="", known=False, errors={}, status=404)
    try:
        if password:
            signin.judge(account, password)
        await signin.with_link(code, session.address(request))
    except HearthError as error:
        known = await signin.has_password(account)
        return request.page(
            "setup.html",
            invited=account,
            code=code,
            known=known,
            errors=errors.by_field(error),
            status=errors.problem(error).status,
        )
    if password:
        await signin.set_password(account, password)
    await session.begin(request, account)
    return redirect("/", toast=f"You are signed in as {account.username}.")


async def sign_out(request: Request) -> Reply:
    await session.end(request)
    return redirect("/", toast="You are signed out.")


def _form(
    request: Request, error: HearthError | None = None, *, way: str = "password", username: str = "", next: str = ""
) -> Reply:
    status = errors.problem(error).status if error else 200
    headers = [(b"retry-after", str(error.reset).encode())] if isinstance(error, Throttled) else []
    reply = request.page("signin.html", error=error, way=way, username=username, next=next, status=status)
    return Reply(reply.body, reply.status, headers=[*reply.headers, *headers])


def _after(next: str) -> str:
    """Where to go on: a page of ours, never somebody else's."""
    return next if local(next) and not next.startswith(("/signin", "/signout", "/setup")) else "/"


ROUTES = (
    Route(method="GET", path="/signin", handler=form),
    Route(method="POST", path="/signin", handler=sign_in, max_form=16 * 1024),
    Route(method="GET", path="/setup", handler=welcome),
    Route(method="POST", path="/setup", handler=set_up, max_form=16 * 1024),
    Route(method="POST", path="/signout", handler=sign_out, whom=For.SIGNED_IN),
)
