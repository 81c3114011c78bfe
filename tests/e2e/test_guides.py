"""All guides of docs/guides, followed to the letter from empty folders: every block, in order.

Three labs, two auditors (both endorse, both open), two rounds. Each party has a folder of its own;
what the guides have people send to each other is copied between the folders, and nothing else is.
In the second round the coordinator shuts one lab out, so that this lab has a reason to plead.
"""

import re
import shutil
import socket
import sys
import sysconfig
from collections import ChainMap
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

import fermata
from harness.e2e import shut_out
from harness.e2e.reader import Nodes, Reader
from harness.guides import all_guides, followed_in

ROOT = Path(__file__).resolve().parents[2]
COORDINATOR = "oversight"
AUDITORS = ("auditor-1", "auditor-2")
LABS = ("lab-1", "lab-2", "lab-3")


def quarter(from_now: int) -> str:
    """A calendar quarter, counted from today's."""
    today = datetime.now(UTC)
    count = 4 * today.year + (today.month - 1) // 3 + from_now
    return f"{count // 4}Q{count % 4 + 1}"


#: Two rounds can be asked for now, and the charter has as many as its rules need to hold.
FIRST, SECOND, LAST = quarter(-2), quarter(-1), quarter(10)
SCORES = dict(zip(LABS, ("0.625", "0.75", "0.5"), strict=True))
#: What the tests' charter measures beside the template's score; lab-1 pushes its second figure.
GPQA = """[[metric]]
id = "gpqa-diamond"
panel = "capability"
unit = "fraction"
min = "0"
max = "1"
resolution = "0.01"
method = "as the benchmark says"

[[aggregate]]
metric = "gpqa-diamond"
statistics = ["sum"]

"""


@dataclass
class Parties:
    """Everybody who follows a guide while the deployment is set up and runs."""

    root: Path
    nodes: Nodes
    #: What people have told each other: addresses, the root's fingerprint, the charter's hash.
    told: dict[str, str] = field(default_factory=dict)
    #: The charter's hash, as everybody saw it.
    hashes: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.readers: list[Reader] = []
        self.oversight = self.reader("oversight", COORDINATOR)
        self.oversight.node_program = [sys.executable, shut_out.__file__]
        self.auditors = {name: self.reader("auditor", name) for name in AUDITORS}
        self.labs = {name: self.reader("lab", name) for name in LABS}
        self.others = {**self.auditors, **self.labs}
        self.all = {COORDINATOR: self.oversight, **self.others}

    def reader(self, guide: str, name: str, **values: str) -> Reader:
        """Who follows a guide in a folder; where it says lab-1, the reader lab-2 reads lab-2."""
        own = {"lab-1": name, "auditor-1": name, **values}
        made = Reader(guide, self.root / name, self.nodes, ChainMap(own, self.told))
        self.readers.append(made)
        return made


def send(source: Path, *readers: Reader, into: str = "") -> None:
    """Copies a file or a folder as mail would, under its own name."""
    for reader in readers:
        target = reader.folder / into / source.name
        target.parent.mkdir(exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            shutil.copy(source, target)


def free_port() -> int:
    """A port of loopback that nobody listens on just now; join files name it before the start."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def at_once(work: Callable[[Reader], object], readers: Collection[Reader]) -> None:
    """Several readers do the same, as they would on machines of their own."""
    with ThreadPoolExecutor(len(readers)) as pool:
        list(pool.map(work, readers))


def fill_in(template: str) -> str:
    """The template as a person fills it in."""
    text = template.replace("modulus_bits = 3072", "modulus_bits = 2048")
    text = re.sub("first = .*", f'first = "{FIRST}"\nlast = "{LAST}"', text, count=1)
    text = text.replace("cohort_min = 5", "cohort_min = 3").replace("<unit, such as: ", "")
    # The smallest template has five labs, of which two leave before anybody signs.
    text = re.sub(r'\[\[lab\]\]\nid = "lab-[45]"\n.*\n.*\n\n', "", text)
    text = re.sub('"<?([^"\n]*)>"', r'"\1"', text)
    return text.replace("# Rules over results.", GPQA + "# Rules over results.")


def prepare(parties: Parties) -> None:
    """Oversight's folder, the charter without keys, and a join file for everybody."""
    oversight, told = parties.oversight, parties.told
    told["oversight.example"] = "127.0.0.1"
    told["--labs 6 --auditors 4 --members 3"] = f"--labs 5 --auditors {len(AUDITORS)} --dealer"
    oversight.until("fermata init")
    oversight.folder /= COORDINATOR
    config = oversight.folder / "fermata.toml"
    text = config.read_text()
    for port in ("0.0.0.0:7440", "0.0.0.0:7441"):
        assert port in text
        text = text.replace(port, f"127.0.0.1:{free_port()}")
    config.write_text(text)
    oversight.until("fermata charter new")
    charter = oversight.folder / "charter.toml"
    charter.write_text(fill_in(charter.read_text()))
    printed = oversight.until("fermata charter check")
    assert "What each party learns" in printed
    # The keyless hash, which oversight reads out to all.
    told["HEX"] = re.findall(r"\b[0-9a-f]{64}\b", printed)[0]
    oversight.until("fermata pki invite")
    for name, reader in parties.others.items():
        send(oversight.folder / "joins" / f"{name}.join", reader)


def join(parties: Parties) -> None:
    """All join at once, and the key is dealt on a machine of its own."""
    oversight = parties.oversight
    oversight.until("fermata coordinator gather")

    def join_one(reader: Reader) -> None:
        printed = reader.until("fermata join")
        parties.hashes.add(re.findall(r"\b[0-9a-f]{64}\b", printed)[-1])
        reader.folder /= reader.folder.name

    with ThreadPoolExecutor(1) as pool:
        joined = pool.submit(at_once, join_one, parties.others.values())
        file = oversight.folder / "for-dealer.bin"
        parties.nodes.wait_for("all signatures", lambda: file.exists() or joined.done())
        if not file.exists():
            joined.result()
        own, oversight.folder = oversight.folder, parties.root / "dealer"
        send(file, oversight)
        oversight.until("fermata keys deal")
        shutil.copy(oversight.folder / "from-dealer.bin", own)
        oversight.folder = own
        joined.result()
    parties.nodes.finish(oversight.folder)
    (parties.told["HEX"],) = parties.hashes


def start_all(parties: Parties) -> None:
    """The log; then all look whether all is well, and start their nodes."""
    oversight = parties.oversight
    oversight.until("fermata coordinator run")
    oversight.bound("log")
    parties.nodes.wait_for("the key in the log", lambda: "key_record" in oversight.log())
    at_once(lambda reader: reader.until("fermata auditor run"), parties.auditors.values())
    for name, lab in parties.labs.items():
        lines = (f"{FIRST},score,{SCORES[name]}", f"{FIRST},gpqa-diamond,0.5")
        lab.values["2026Q1,score,0.625"] = "\n".join(lines)
        lab.values["2026Q1"] = FIRST
    at_once(lambda reader: reader.until("fermata lab check"), parties.labs.values())
    for name, lab in parties.labs.items():
        if name != "lab-1":
            # Its figures of the second round are there already.
            with (lab.folder / "metrics.csv").open("a") as metrics:
                metrics.write(f"{SECOND},score,{SCORES[name]}\n{SECOND},gpqa-diamond,0.5\n")
        lab.until("fermata lab run")


def wait_for_results(parties: Parties, rounds: int) -> None:
    auditor = parties.auditors["auditor-1"]
    parties.nodes.wait_for(
        f"round {rounds}", lambda: auditor.log().count("results_opened") >= rounds
    )


def back_up_share(parties: Parties) -> None:
    """An auditor's share, while its node runs, and a drill of its restore."""
    auditor = parties.auditors["auditor-1"]
    auditor.values["age1..."] = auditor.until("fermata keys identity").strip()
    assert "nothing was written" in auditor.until("fermata auditor backup-share")


def push_and_plead(parties: Parties) -> None:
    """Round 2: lab-1's last figure comes from a pipeline, and the log does not take its report."""
    lab, auditor = parties.labs["lab-1"], parties.auditors["auditor-1"]
    lab.until("[[lab.source]]")
    parties.nodes.stop(lab.folder)
    with (lab.folder / "metrics.csv").open("a") as metrics:
        metrics.write(f"{SECOND},score,{SCORES['lab-1']}\n")
    (parties.oversight.folder / "shut-out").touch()
    lab.again("fermata lab run")
    lab.values["2026Q1"] = SECOND
    data = lab.folder / "data"
    parties.nodes.wait_for("the node's socket", (data / "local" / "node.sock").exists)
    lab.until("fermata lab push")
    new = f'previous = "{parties.told["HEX"]}"\n' + (lab.folder / "charter.toml").read_text()
    (lab.folder / "new.toml").write_text(
        new.replace("acknowledge_s = 86400", "acknowledge_s = 600")
    )
    lab.values["<charter-hash>"] = "new.toml"
    assert "accepted" in lab.until("fermata charter accept", answer="y\n")
    parties.nodes.wait_for("what is not logged", lambda: list((data / "unlogged").glob("*.plea")))
    lab.until("fermata lab plead")
    send(lab.folder / "report.plea", auditor)
    auditor.until("fermata auditor take")
    # The log has the report, and by the auditor's hand.
    parties.nodes.wait_for("the plea's end", lambda: "plea_settled" in auditor.log())
    assert "plea_taken" in auditor.log()


def audit_on_site(parties: Parties) -> None:
    """One figure of a lab, opened to an auditor who has the bundle."""
    lab, auditor = parties.labs["lab-1"], parties.auditors["auditor-1"]
    lab.until("fermata lab open-value")
    send(lab.folder / "for-auditor-1", auditor)
    shutil.copytree(parties.oversight.folder / "full", auditor.folder / "bundle")
    printed = auditor.until("fermata audit check-value")
    assert printed.count("VALID") == 2
    assert printed.count(SCORES["lab-1"]) == 2


def with_bundle(parties: Parties, guide: str) -> Reader:
    """Somebody who has only the public bundle, and the sources."""
    reader = parties.reader(guide, guide)
    shutil.copytree(parties.oversight.folder / "public", reader.folder / "BUNDLE")
    shutil.copytree(ROOT / "docs" / "examples", reader.folder / "docs" / "examples")
    return reader


def follow_the_log(parties: Parties) -> None:
    """An observer joins the log that runs, and reads it."""
    observer = parties.reader("observer", "observer")
    own, observer.folder = observer.folder, parties.oversight.folder
    observer.until("fermata pki invite")
    observer.folder = own
    send(parties.oversight.folder / "joins" / "press.join", observer)
    assert parties.told["HEX"] in observer.until("fermata join")
    observer.folder /= "press"
    assert "1.875" in (observer.rest() and (observer.folder / "results.csv").read_text())


def back_up_and_restore(parties: Parties) -> None:
    """The operator of lab-2: a backup of the running node, and its restore elsewhere."""
    node = parties.labs["lab-2"].folder
    operator = parties.reader("operator", "operator")
    operator.values["age1..."] = operator.until("fermata keys identity").strip()
    elsewhere, operator.folder = operator.folder, node
    operator.until("fermata node backup")
    operator.folder = elsewhere
    for name in ("charter.toml", "fermata.toml", "keys", "tls"):
        send(node / name, operator)
    send(node / "data" / "head.note", operator)
    send(node / "backups" / "today.age", operator)
    operator.rest()


# About a hundred commands, each a process of its own.
@pytest.mark.timeout(1800)
def test_every_command_of_the_guides_runs_in_order_from_empty_folders(tmp_path):
    with Nodes() as nodes:
        parties = Parties(tmp_path, nodes)
        prepare(parties)
        join(parties)
        start_all(parties)
        wait_for_results(parties, 1)
        assert "mean" in parties.labs["lab-1"].until("fermata lab place")
        back_up_share(parties)
        push_and_plead(parties)
        wait_for_results(parties, 2)
        printed = parties.oversight.until("fermata status")
        assert all(name in printed for name in parties.all)
        parties.oversight.rest()
        audit_on_site(parties)
        back_up_and_restore(parties)
        follow_the_log(parties)
        verifier = with_bundle(parties, "verifier")
        assert "VALID" in verifier.rest()
        printed = with_bundle(parties, "researcher").rest()
        assert f"{FIRST} score sum 1.875 fraction correct" in printed
        assert f"{SECOND}  1.875 fraction correct, 3 organisations" in printed
        done = {reader.guide for reader in parties.readers if reader.is_done()}
        assert done == {guide for guide in all_guides() if followed_in(guide)} - {
            "install",
            # tests/e2e/test_key_ceremony.py follows it.
            "key-ceremony",
        }
        # Each node ends with 0 when it is asked to.
        nodes.stop()


def test_an_empty_machine_gets_a_fermata_that_starts(tmp_path):
    """The machine's pip has no network: other packages are of the test's environment."""
    with Nodes() as nodes:
        reader = Reader("install", tmp_path / "machine", nodes, {})
        for name in ("src", "pyproject.toml", "README.md", "LICENSE"):
            send(ROOT / name, reader, into="fermata")
        reader.environment = {
            "PYTHONPATH": sysconfig.get_path("purelib"),
            "PIP_NO_INDEX": "1",
            "PIP_NO_DEPS": "1",
            # pip reads this one as the opposite of its option: 0 is --no-build-isolation.
            "PIP_NO_BUILD_ISOLATION": "0",
        }
        assert reader.rest().endswith(f"fermata, version {fermata.__version__}\n")
        installed = reader.folder / "fermata-env" / "bin" / "fermata"
        assert installed.exists()
