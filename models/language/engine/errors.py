"""What can be wrong with a request or an installation. Codes E1001 to E1102 are those of Replicate's models."""

from __future__ import annotations


class UserError(ValueError):
    """The request can't be answered as it is."""

    def __init__(self, code: str, name: str, message: str) -> None:
        super().__init__(f"{code} {name}: {message}")
        self.code = code
        self._parts = code, name, message

    def __reduce__(self) -> tuple[type[UserError], tuple[str, str, str]]:
        return UserError, self._parts


class ModelError(RuntimeError):
    """The model can't be loaded or run: a weight is missing, a file is of another kind."""


def portable(error: Exception) -> Exception:
    """The error as another process can have it: a library's by its name and words, without the library."""
    return error if isinstance(error, UserError | ModelError) else _foreign(type(error).__name__, str(error))


def _foreign(kind: str, text: str) -> Exception:
    members = {"__module__": "builtins", "__reduce__": lambda self: (_foreign, (kind, text))}
    made: Exception = type(kind, (RuntimeError,), members)(text)
    return made


def too_long(tokens: int, context: int) -> UserError:
    return UserError(
        "E1002",
        "PromptTooLong",
        f"the prompt has {tokens} tokens; prompt and answer together can have {context}",
    )


def wrong(name: str, message: str) -> UserError:
    """An input that isn't what it has to be; the published codes have none of its own for it."""
    return UserError("E1000", "InvalidInput", f"{name}: {message}")
