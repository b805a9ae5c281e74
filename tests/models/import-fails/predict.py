"""Can't be imported: its push must fail and say why."""

import a_package_that_is_not_installed
from cog import BaseRunner


class Predictor(BaseRunner):
    def run(self) -> str:
        return a_package_that_is_not_installed.answer
