"""Runs the exhaustive model of the pause; see fermata.sim.model.search."""

import sys

from fermata.sim.model.search import main

sys.exit(main(sys.argv[1:]))
