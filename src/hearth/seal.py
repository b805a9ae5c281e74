"""Secrets at rest: values are sealed with the server's key before they reach a disk."""

from __future__ import annotations

from cryptography.fernet import Fernet, InvalidToken

from hearth.errors import Unavailable


class Sealer:
    """Authenticated encryption (AES-128-CBC with HMAC-SHA256, the Fernet recipe)."""

    def __init__(self, key: str) -> None:
        """`key` is 32 bytes in url-safe base64; raises ValueError for anything else."""
        self._fernet = Fernet(key.encode())

    @staticmethod
    def new_key() -> str:
        return Fernet.generate_key().decode()

    def seal(self, plain: bytes) -> bytes:
        return self._fernet.encrypt(plain)

    def open(self, sealed: bytes) -> bytes:
        """Raises Unavailable if the server's key is another one than it was sealed with."""
        try:
            return self._fernet.decrypt(sealed)
        except InvalidToken:
            raise Unavailable(
                "A stored secret cannot be opened with this server's key.",
                hint="Start the server with the secret key it had when the secret was stored.",
            ) from None
