"""Passwords as they are kept: salted and hashed with scrypt, the parameters beside the hash.

Parameters: OWASP's password storage cheat sheet (N=2^15, r=8, p=3): 32 MiB and a quarter of a second a guess.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from typing import NamedTuple

MINIMUM = 10
"""Characters of a password. Length is what counts (NIST SP 800-63B): no rules about digits and signs."""
MAXIMUM = 1000


class Cost(NamedTuple):
    """scrypt's parameters."""

    n: int = 2**15
    r: int = 8
    p: int = 3


def make(password: str, cost: Cost = Cost()) -> str:  # noqa: B008 - a tuple
    """`scrypt$n$r$p$salt$hash`."""
    salt = secrets.token_bytes(16)
    return "$".join(["scrypt", *map(str, cost), _text(salt), _text(_derive(password, salt, cost))])


def matches(password: str, kept: str) -> bool:
    """Whether `kept` was made of this password; takes the same time either way."""
    _, n, r, p, salt, hash = kept.split("$")
    derived = _derive(password, base64.b64decode(salt), Cost(int(n), int(r), int(p)))
    return hmac.compare_digest(derived, base64.b64decode(hash))


def _derive(password: str, salt: bytes, cost: Cost) -> bytes:
    memory = 128 * cost.n * cost.r + 128 * cost.r * cost.p + 2**20
    return hashlib.scrypt(
        password.encode("utf-8", "surrogatepass"), salt=salt, n=cost.n, r=cost.r, p=cost.p, maxmem=memory, dklen=32
    )


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
