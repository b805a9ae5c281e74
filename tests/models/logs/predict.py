"""Every way in which a model's words can leave it."""

import logging
import subprocess
import sys
import threading
import warnings

from cog import BaseRunner, Input


class Predictor(BaseRunner):
    def run(
        self,
        what: str = Input(
            default="stdout",
            choices=[
                "stdout",
                "stderr",
                "logging",
                "warning",
                "half",
                "progress",
                "child",
                "thread",
                "traceback",
                "bytes",
            ],
        ),
        count: int = Input(description="Lines of stdout or stderr, steps of progress.", default=3, ge=0),
    ) -> str:
        if what in ("stdout", "stderr"):
            for number in range(count):
                print(f"{what} line {number}", file=getattr(sys, what))
        elif what == "logging":
            logging.getLogger("model").warning("a warning from logging")
        elif what == "warning":
            warnings.warn("a warning from warnings", stacklevel=1)
        elif what == "half":
            sys.stdout.write("half a line")  # never ended, never flushed
        elif what == "progress":
            for step in range(count + 1):
                sys.stderr.write(f"\r{step}/{count}")
                sys.stderr.flush()
            sys.stderr.write("\n")
        elif what == "child":
            subprocess.run(["/bin/sh", "-c", "echo from a child; echo its errors >&2"], check=True)
        elif what == "thread":
            thread = threading.Thread(target=print, args=("from a thread",))
            thread.start()
            thread.join()
        elif what == "traceback":
            raise LookupError("look for this line in the logs")
        elif what == "bytes":
            print("ünï — 漢字 🙂 \x1b[31mred\x1b[0m <script>alert(1)</script>")
        return what
