"""`python -m serinus_serving.fetch`, for where no scripts are installed."""

from serinus_serving.fetch.cli import main

main()
