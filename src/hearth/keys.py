"""The server's own secrets: one key, kept in the data folder or given by a setting, and what is derived from it."""

from __future__ import annotations

import base64
import os
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

FILE = "secret-key"


class Keys:
    """Independent keys for independent uses, so that none of them reveals another."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def derive(self, use: str) -> bytes:
        """32 bytes for one use; always the same for the same secret."""
        return HKDF(SHA256(), 32, None, f"hearth {use}".encode()).derive(self._secret)

    @property
    def seal(self) -> str:
        return base64.urlsafe_b64encode(self.derive("seal")).decode()


def ensure(folder: Path, given: str | None) -> Keys:
    """The keys of this server; the secret is made on first start, readable by its user only."""
    if given:
        return Keys(given)
    path = folder / FILE
    try:
        return Keys(path.read_text().strip())
    except FileNotFoundError:
        secret = base64.urlsafe_b64encode(os.urandom(32)).decode()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as out:
            out.write(secret + "\n")
            out.flush()
            os.fsync(out.fileno())
        return Keys(secret)
