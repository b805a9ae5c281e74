"""Whether a form was sent from a page of ours: one check for every request that changes something.

Two walls. Browsers say where a request comes from (`Sec-Fetch-Site`, over plain http only `Origin`), and scripts of
other sites cannot change that. And every form sends back a token. Of who is signed in, it is bound to the session.
A visitor has a double-submit cookie: the page's token and the browser's cookie must be the same (OWASP, CSRF
prevention), which signing in needs as well.
"""

from __future__ import annotations

import hmac
import secrets
from urllib.parse import urlsplit

from hearth.web import session
from hearth.web.errors import Forbidden
from hearth.web.http import cookie
from hearth.web.request import Request

COOKIE = "hearth_csrf"
FIELD = "csrf"
HEADER = b"x-csrf-token"
_LENGTH = 43


def token(request: Request) -> str:
    """This browser's token; a visitor without one gets its cookie with the answer."""
    if request.account is not None and (signed_in := session.read(request)):
        return request.services.sessions.csrf(signed_in)
    there = request.cookies.get(COOKIE, "")
    if len(there) == _LENGTH:
        return there
    made = secrets.token_urlsafe(32)
    request.reply_headers.append(cookie(COOKIE, made, same_site="Strict", secure=request.secure))
    return made


async def check(request: Request) -> None:
    """Raises Forbidden for a post that did not come from a page of ours."""
    if _foreign(request):
        raise Forbidden("This was sent from another site.")
    sent = request.header(HEADER)
    if sent is None:
        sent = (await request.form()).get(FIELD)
    if request.account is not None and (signed_in := session.read(request)):
        allowed = request.services.sessions.allows(signed_in, sent)
    else:
        there = request.cookies.get(COOKIE, "")
        allowed = len(there) == _LENGTH and hmac.compare_digest(there.encode(), sent.encode("utf-8", "replace"))
    if not allowed:
        raise Forbidden


def _foreign(request: Request) -> bool:
    """Whether the browser says so. A proxy may have changed the scheme, so hosts are compared."""
    site, origin = request.header(b"sec-fetch-site"), request.header(b"origin")
    if site is not None:
        return site != "same-origin"
    return origin is not None and urlsplit(origin).netloc != urlsplit(request.origin).netloc
