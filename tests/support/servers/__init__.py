"""Programs that keep models, each started as itself on 127.0.0.1 and a free port; nothing runs after the block."""
