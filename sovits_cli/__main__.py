"""`python -m sovits_cli` is the same as `sovits`."""

from sovits_cli.cli.app import main

main()
