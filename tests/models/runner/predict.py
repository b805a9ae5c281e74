from cog import BaseRunner


class Runner(BaseRunner):
    def setup(self) -> None:
        self.greeting = "hello"

    def run(self, name: str) -> str:
        return f"{self.greeting} {name}"
