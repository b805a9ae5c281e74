"""`python -m hearth.cli` is `hearth`."""

from hearth.cli import main

main()
