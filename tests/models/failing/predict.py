import sys

from cog import BaseRunner, Input


class OutOfPatience(Exception):
    """An exception of the model's own."""


class Predictor(BaseRunner):
    def run(
        self,
        kind: str = Input(
            default="value",
            choices=["value", "key", "assertion", "memory", "exit", "own", "empty", "chained", "none"],
        ),
        message: str = Input(default="it went wrong"),
    ) -> str:
        print("about to fail")
        if kind == "value":
            raise ValueError(message)
        if kind == "key":
            return {}[message]
        if kind == "assertion":
            assert not message, message
        if kind == "memory":
            raise MemoryError(message)
        if kind == "exit":
            sys.exit(message)
        if kind == "own":
            raise OutOfPatience(message)
        if kind == "empty":
            raise RuntimeError
        if kind == "chained":
            try:
                raise OSError("the cause")
            except OSError as error:
                raise RuntimeError(message) from error
        return "did not fail"
