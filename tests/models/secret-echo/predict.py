"""Leaks its secret in every way a careless model can: what of it shows is up to the platform."""

import sys

from cog import BaseRunner, Input, Secret


class Predictor(BaseRunner):
    def run(
        self,
        secret: Secret = Input(description="Something to keep quiet about."),
        fail: bool = Input(description="Put it into an error, too.", default=False),
    ) -> str:
        value = secret.get_secret_value()
        print(f"the secret is {value}")
        print(f"again: {value}", file=sys.stderr)
        if fail:
            raise ValueError(f"bad secret {value}")
        return value
