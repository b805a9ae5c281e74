"""Identifiers, all of them unguessable and safe in a path.

Predictions and trainings share one id space of 26 lowercase Crockford characters: 48 bits of
milliseconds, 10 bits of their fractions, then 70 random bits, so that ids sort by age. Sources:
Replicate's ids look the same (26 characters, time inside); tokens are `r8_` + 37 characters;
versions are 64 hex digits.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import time

_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
_ALNUM = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_PAIRS = [a + b for a in _CROCKFORD for b in _CROCKFORD]

PREDICTION_ID = re.compile(r"^[0-9a-z]{26}\Z")
VERSION_ID = re.compile(r"^[0-9a-f]{64}\Z")
NAME = re.compile(r"^[a-z0-9]+(?:[._-]{1,2}[a-z0-9]+)*\Z")
"""Owner, model and deployment names: lower case, digits, and single separators inside."""


_latest = 0


def sortable() -> str:
    """A fresh 26-character id; ids that one thread makes later sort later, whatever the clock does."""
    global _latest
    _latest = max((time.time_ns() << 10) // 1_000_000, _latest + 1)
    value = (_latest << 70) | secrets.randbits(70)
    pairs = _PAIRS
    return "".join([pairs[(value >> shift) & 1023] for shift in range(120, -1, -10)])


def random32() -> str:
    """A fresh 26-character id that tells nothing: 130 random bits."""
    value = secrets.randbits(130)
    return "".join([_PAIRS[(value >> shift) & 1023] for shift in range(120, -1, -10)])


def api_token() -> str:
    return "r8_" + "".join(secrets.choice(_ALNUM) for _ in range(37))


def token_hash(token: str) -> str:
    """What is stored of a token. Tokens hold 220 random bits, so one round of SHA-256 suffices."""
    return hashlib.sha256(token.encode()).hexdigest()


def webhook_secret() -> str:
    """`whsec_` + standard base64: exactly one underscore, because clients split there."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
