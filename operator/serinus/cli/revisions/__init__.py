"""`serinus history` and `serinus diff`: which models served, who judged them, and in what two of them differ."""
