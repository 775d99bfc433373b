"""`python -m serinus`: the same commands as `serinus` and `kubectl serinus`."""

from serinus.cli.app import main

main()
