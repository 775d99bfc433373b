"""`serinus backtest`."""
