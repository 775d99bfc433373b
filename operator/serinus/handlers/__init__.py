"""kopf, the shell: it logs in and watches our two kinds; each handler only passes objects on.

kopf imports the official client of Kubernetes where that is installed, to take its objects from handlers: 22 MiB, and a
sixth of a second of each start. Ours return none, so it is told that there is no such client.
"""

import sys

_CLIENT = "kubernetes"
if _CLIENT not in sys.modules:
    # A name that is None cannot be imported (https://docs.python.org/3/reference/import.html#the-module-cache).
    sys.modules[_CLIENT] = None  # type: ignore[assignment]
    try:
        import kopf as kopf
    finally:
        del sys.modules[_CLIENT]
