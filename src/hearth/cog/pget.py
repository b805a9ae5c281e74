"""pget URL DEST: a stand-in for Replicate's downloader, copied into each environment's bin.

Options: -x / --extract unpacks a tar archive into DEST, -f / --force overwrites; `pget multifile MANIFEST`
takes lines of `URL DEST`. Other options of the original are accepted and ignored.
"""

import argparse
import os
import shutil
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request


def fetch(url: str, destination: str, extract: bool, force: bool) -> None:
    if os.path.exists(destination) and not force:
        sys.exit(f"pget: {destination} exists (use -f to overwrite)")
    parent = os.path.dirname(os.path.abspath(destination))
    os.makedirs(parent, exist_ok=True)
    request = urllib.request.Request(url, headers={"User-Agent": "pget"})
    with urllib.request.urlopen(request, timeout=60) as response:
        if extract:
            with tarfile.open(fileobj=response, mode="r|*") as archive:
                os.makedirs(destination, exist_ok=True)
                if hasattr(tarfile, "data_filter"):
                    archive.extraction_filter = tarfile.data_filter
                archive.extractall(destination)
            return
        with tempfile.NamedTemporaryFile(dir=parent, delete=False) as file:
            try:
                shutil.copyfileobj(response, file, 1 << 20)
            except BaseException:
                os.unlink(file.name)
                raise
        os.chmod(file.name, 0o644)
        os.replace(file.name, destination)


def main() -> None:
    parser = argparse.ArgumentParser(prog="pget")
    parser.add_argument("-x", "--extract", action="store_true")
    parser.add_argument("-f", "--force", action="store_true")
    parser.add_argument("first")
    parser.add_argument("second")
    options, _ = parser.parse_known_args()
    try:
        if options.first != "multifile":
            fetch(options.first, options.second, options.extract, options.force)
            return
        with sys.stdin if options.second == "-" else open(options.second) as manifest:
            for line in manifest:
                if line.strip():
                    url, destination = line.split()
                    fetch(url, destination, options.extract, options.force)
    except (OSError, urllib.error.URLError, tarfile.TarError) as error:
        sys.exit(f"pget: {error}")


if __name__ == "__main__":
    main()
