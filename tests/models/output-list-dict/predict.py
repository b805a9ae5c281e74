from cog import BaseRunner


class Predictor(BaseRunner):
    def run(self) -> list[dict]:
        return [{"n": n} for n in range(3)]
