import subprocess
import sys

from cog import BaseRunner


class Predictor(BaseRunner):
    def setup(self) -> None:
        print("from stdout")
        print("from stderr", file=sys.stderr)
        subprocess.run(["/bin/sh", "-c", "echo from a child"], check=True)
        for step in range(3):
            sys.stderr.write(f"\r{step + 1}/3")
            sys.stderr.flush()
        sys.stderr.write("\n")

    def run(self) -> str:
        return "ready"
