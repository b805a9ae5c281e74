from cog import BaseRunner


class Predictor(BaseRunner):
    def run(self, count: int = 3) -> list[str]:
        return [f"item {n}" for n in range(count)]
