"""Runs the counting model of succession; see fermata.sim.model.succession.search."""

import sys

from fermata.sim.model.succession.search import main

sys.exit(main(sys.argv[1:]))
