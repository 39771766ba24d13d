"""`python -m gptkit` is the command `gptkit`."""

from gptkit.cli import main

main()
