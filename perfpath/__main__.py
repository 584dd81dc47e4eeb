"""`python -m perfpath`."""

import sys

from perfpath.cli import main

sys.exit(main())
