"""Run the command line with ``python -m tdlab.cli``."""

from tdlab.cli import main

main()
