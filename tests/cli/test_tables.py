#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""docs/simulation.md is what berth sim measures: some cells of its tables are measured anew."""

import os
import subprocess
import sys

TOOL = os.path.join(os.environ["BERTH_SOURCE"], "tools", "gen_simulation.py")
sys.exit(subprocess.run([sys.executable, TOOL, "--check"], check=False).returncode)
