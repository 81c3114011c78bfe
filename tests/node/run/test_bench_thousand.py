"""The measurement of a thousand labs, with few of them, and the real coordinator."""

import json
import subprocess
import sys

from harness.scripts import SCRIPTS

ROWS = ("round_5_labs_s", "round_5_dropped", "coordinator_rss_mb", "watches_open")


def test_a_small_round_is_measured_and_merged_and_its_reports_are_made_once(tmp_path):
    out, cache = tmp_path / "bench-scale.json", tmp_path / "cache"
    out.write_text('{"append_ms_1e3": 1.5}')
    command = [sys.executable, str(SCRIPTS / "bench_thousand.py"), "--cache", str(cache)]
    command += ["--labs", "5", "--at-once", "5", "--metrics", "2", "--modulus-bits", "2048"]
    said = subprocess.run(
        [*command, "--clients", "2", "--out", str(out)], capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stderr
    figures = json.loads(out.read_text())
    assert figures["append_ms_1e3"] == 1.5
    assert figures["round_5_dropped"] == 0
    assert figures["watches_open"] == 5
    assert all(figures[row] > 0 for row in ROWS if "dropped" not in row)
    thousand = figures["thousand"]
    # Both measurements have one size here, so the reports are made for the first alone.
    assert said.stdout.count("proved") == 1
    assert len(list(cache.glob("*/reports-*.bin"))) == 1
    assert thousand["retries"] == 0
    assert thousand["threads_with_watches"] == thousand["threads_before"]
