"""Healthy until it is told not to be."""

from cog import BaseRunner


class Predictor(BaseRunner):
    def setup(self) -> None:
        self.healthy = True

    def healthcheck(self) -> bool:
        return self.healthy

    def run(self, healthy: bool = True) -> str:
        self.healthy = healthy
        return "well" if healthy else "ill"
