"""``python -m metrics_api`` is the ``metrics-api`` command."""

import sys

from metrics_api.cli import main

if __name__ == "__main__":
    sys.exit(main())
