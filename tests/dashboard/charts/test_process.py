"""What drawing asks of a process: nothing before the first chart, and no code that it writes."""

import subprocess
import sys

#: Of linux/prctl.h: no memory becomes executable that was writable (MemoryDenyWriteExecute).
PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN = 65, 1
CHART = (
    "from fermata.dashboard.charts.data import Point\n"
    "from fermata.dashboard.charts.draw import line_chart\n"
    "assert line_chart('c', 't', 'd', [Point('a', 1.0, '1')]).startswith('<svg')\n"
)
HARDEN = f"""
import ctypes, errno, mmap
libc = ctypes.CDLL(None, use_errno=True)
refused = libc.prctl({PR_SET_MDWE}, {PR_MDWE_REFUSE_EXEC_GAIN}, 0, 0, 0) != 0
if refused and ctypes.get_errno() != errno.EINVAL:
    raise SystemExit("the kernel knows the call, and refuses it")
try:
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
except PermissionError:
    hardened = True
else:
    hardened = False
# A kernel before Linux 6.3 does not know the call: then the chart is drawn without it.
if hardened is refused:
    raise SystemExit("memory is writable and executable all the same")
"""
NOT_LOADED = """
import sys
loaded = {"matplotlib", "numpy"} & set(sys.modules)
raise SystemExit(f"loaded: {loaded}" if loaded else 0)
"""


def run(program):
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)


def test_a_chart_is_drawn_where_no_memory_may_be_writable_and_executable():
    done = run(HARDEN + CHART)
    assert done.returncode == 0, done.stderr


def test_commands_and_a_dashboard_without_a_request_load_no_drawing():
    program = (
        "import fermata.cli.main\n"
        "from fermata.dashboard import pages, report, server\n"
        "from fermata.dashboard.app import make_app\n"
        "make_app(None, None, True)\n"
    )
    done = run(program + NOT_LOADED)
    assert done.returncode == 0, done.stderr
    # The same question has the other answer once a chart was drawn.
    assert "matplotlib" in run(CHART + NOT_LOADED).stderr


def test_help_loads_no_drawing():
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "fermata.cli.main", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "fermata.cli" in done.stderr
    assert "matplotlib" not in done.stderr
