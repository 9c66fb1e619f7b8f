"""``python -m services.ca.ceremony``: hold the key ceremony."""

import sys

from services.ca.ceremony.steps import main

if __name__ == "__main__":
    sys.exit(main())
