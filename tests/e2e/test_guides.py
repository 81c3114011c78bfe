"""The main path of docs/guides, with the command line alone: from an empty folder to VALID.

Then the guides of those who only have the bundle, block by block as they stand there.

Three labs, two auditors (both endorse, both open), one round. Each party has a folder of its
own; what the guides have people send to each other is copied between the folders, and nothing
else is.
"""

import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.e2e.fleet import WAIT_S, wait_for

DEPLOYMENT = "guides"
COORDINATOR = "oversight"
AUDITORS = ("auditor-1", "auditor-2")
LABS = ("lab-1", "lab-2", "lab-3")
PARTIES = (COORDINATOR, *AUDITORS, *LABS)
SCORES = dict(zip(LABS, ("0.625", "0.75", "0.5"), strict=True))
FERMATA = (sys.executable, "-m", "fermata.cli.main")
IDENTITY = ("--identity", "keys/identity.txt")
DOCS = Path(__file__).resolve().parents[2] / "docs"
#: Blocks of a guide that are run: commands line by line, programs whole.
BLOCK = re.compile(r"^```(console|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@dataclass
class Guide:
    """One party's folder per name under ``root``, and the processes that were started."""

    root: Path
    stack: ExitStack

    def node(self, party: str) -> Path:
        return self.root / party

    def fermata(self, party: str, *arguments: str, code: int = 0) -> str:
        """A command in a party's folder; gives what it printed."""
        done = subprocess.run(
            [*FERMATA, *arguments],
            cwd=self.node(party),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=WAIT_S,
            check=False,
        )
        assert done.returncode == code, (arguments, done.stdout, done.stderr)
        return done.stdout.strip()

    def told(self, party: str, *arguments: str) -> dict:
        return json.loads(self.fermata(party, *arguments, "--json"))

    def start(self, party: str, role: str) -> None:
        self.stack.enter_context(self._running(party, role))

    @contextmanager
    def _running(self, party: str, role: str):
        with (self.node(party) / "node.log").open("wb") as errors:
            process = subprocess.Popen(
                [*FERMATA, role, "run", "--config", "fermata.toml"],
                cwd=self.node(party),
                stdin=subprocess.DEVNULL,
                stderr=errors,
            )
        try:
            yield
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0, self.log(party)
        finally:
            process.kill()
            process.wait()

    def log(self, party: str) -> str:
        return (self.node(party) / "node.log").read_text()

    def address(self, name: str) -> str:
        path = self.node(COORDINATOR) / "data" / f"{name}.address"
        found = wait_for(f"{path} is there", lambda: path.is_file() and path.read_text())
        return found.strip()


@pytest.fixture
def guide(tmp_path):
    with ExitStack() as stack:
        yield Guide(tmp_path, stack)


def make_keys(guide: Guide) -> dict[str, str]:
    """Everybody's identity and signing key; gives the public keys."""
    public = {}
    (guide.node(COORDINATOR) / "recipients").mkdir(parents=True)
    for party in PARTIES:
        (guide.node(party) / "keys").mkdir(parents=True)
        recipient = guide.fermata(party, "keys", "identity", "keys/identity.txt")
        if party in AUDITORS:
            file = guide.node(COORDINATOR) / "recipients" / f"{party}.recipient"
            file.write_text(recipient + "\n")
        words = ("keys", "new", "keys/signing.age", "--deployment", DEPLOYMENT, *IDENTITY)
        public[party] = guide.fermata(party, *words)
    return public


def fill_in(template: str, public: dict[str, str]) -> str:
    """The template as a person fills it in."""
    text = template.replace('"example"', f'"{DEPLOYMENT}"')
    text = text.replace("modulus_bits = 3072", "modulus_bits = 2048")
    text = re.sub("first = .*", 'first = "2025Q4"\nlast = "2025Q4"', text, count=1)
    text = text.replace("<unit, such as: ", "")
    text = re.sub('"<?([^"\n]*)>"', r'"\1"', text)
    text = re.sub("window_s = .*", "window_s = 120", text)
    text = text.replace("cohort_min = 5", "cohort_min = 3")
    head, _, rest = text.partition("# One table per auditor")
    head = head.replace('signing_key = ""', f'signing_key = "{public[COORDINATOR]}"')
    tail = rest[rest.index("# A panel") :]
    for kind, names in (("auditor", AUDITORS), ("lab", LABS)):
        for name in names:
            head += f'[[{kind}]]\nid = "{name}"\norganisation = "{name} Ltd"\n'
            head += f'signing_key = "{public[name]}"\n\n'
    return head + tail


def agree(guide: Guide, public: dict[str, str]) -> str:
    """The charter, with everybody's signature; gives its hash."""
    guide.fermata(COORDINATOR, "charter", "new", "charter.toml")
    charter = guide.node(COORDINATOR) / "charter.toml"
    guide.fermata(COORDINATOR, "charter", "check", "charter.toml", code=2)
    charter.write_text(fill_in(charter.read_text(), public))
    assert "What each party learns" in guide.fermata(
        COORDINATOR, "charter", "check", "charter.toml"
    )
    for party in PARTIES:
        if party != COORDINATOR:
            shutil.copy(charter, guide.node(party))
        words = ("charter", "sign", "charter.toml", "--party", party, "--key", "keys/signing.age")
        guide.fermata(party, *words, *IDENTITY)
        if party != COORDINATOR:
            signature = guide.node(party) / "charter.toml.sig" / party
            shutil.copy(signature, guide.node(COORDINATOR) / "charter.toml.sig")
    shown = guide.told(COORDINATOR, "charter", "show", "charter.toml")
    assert shown["complete"]
    return shown["charter_hash"]


def deal(guide: Guide) -> None:
    """The dealer's ceremony; every auditor checks and signs the record."""
    words = ("keys", "deal", "charter.toml", "--out", "ceremony", "--recipients", "recipients")
    guide.fermata(COORDINATOR, *words)
    ceremony = guide.node(COORDINATOR) / "ceremony"
    for auditor in AUDITORS:
        shutil.copy(ceremony / "key-record.bin", guide.node(auditor))
        shutil.copy(ceremony / f"{auditor}.share.age", guide.node(auditor) / "keys" / "share.age")
    shutil.copy(ceremony / "key-record.bin", guide.node(COORDINATOR))


def sign_record(guide: Guide) -> None:
    (guide.node(COORDINATOR) / "key-record.bin.sig").mkdir()
    signatures = guide.node(COORDINATOR) / "charter.toml.sig"
    for auditor in AUDITORS:
        shutil.copytree(signatures, guide.node(auditor) / "charter.toml.sig", dirs_exist_ok=True)
    guide.fermata(AUDITORS[0], "keys", "check", "charter.toml", "key-record.bin")
    for auditor in AUDITORS:
        words = ("keys", "sign", "charter.toml", "key-record.bin", "--party", auditor)
        keys = ("--key", "keys/signing.age", "--share", "keys/share.age")
        guide.fermata(auditor, *words, *keys, *IDENTITY)
        signature = guide.node(auditor) / "key-record.bin.sig" / auditor
        shutil.copy(signature, guide.node(COORDINATOR) / "key-record.bin.sig")


def start_coordinator(guide: Guide) -> str:
    """The authority and the log; gives the root's fingerprint."""
    words = ("pki", "init", "authority", "--deployment", DEPLOYMENT)
    fingerprint = guide.fermata(COORDINATOR, *words, *IDENTITY)
    words = ("pki", "issue", "authority", "--role", "coordinator", "--id", COORDINATOR)
    guide.fermata(COORDINATOR, *words, "--out", "tls", *IDENTITY)
    write_config(
        guide,
        COORDINATOR,
        '[listen]\naddress = "127.0.0.1:0"\nenrolment = "127.0.0.1:0"\nauthority = "authority"\n',
    )
    guide.start(COORDINATOR, "coordinator")
    return fingerprint


def write_config(guide: Guide, party: str, tables: str, keys: str = "") -> None:
    text = f'charter = "charter.toml"\nparty = "{party}"\n\n[keys]\n{keys}'
    text += f'identity = "keys/identity.txt"\n\n{tables}'
    (guide.node(party) / "fermata.toml").write_text(text)


def enroll(guide: Guide, party: str, role: str, fingerprint: str) -> None:
    words = ("pki", "token", "authority", "--role", role, "--id", party)
    (guide.node(party) / "token").write_text(guide.fermata(COORDINATOR, *words) + "\n")
    words = ("enroll", "tls", "--address", guide.address("enrolment"))
    guide.fermata(party, *words, "--root-fingerprint", fingerprint, "--token-file", "token")


def audit_on_site(guide: Guide, charter_hash: str) -> None:
    """One figure of a lab, opened to an auditor who has the bundle."""
    words = ("lab", "open-value", "--config", "fermata.toml", "--round", "1", "--metric", "score")
    guide.fermata(LABS[0], *words, "--auditor", AUDITORS[1], "--out", "for-auditor-2")
    shutil.copytree(guide.node(LABS[0]) / "for-auditor-2", guide.node(AUDITORS[1]) / "opened")
    words = ("audit", "check-value", "opened", "--bundle", "bundle", "--charter-hash", charter_hash)
    found = guide.told(AUDITORS[1], *words)
    assert (found["value"], found["evidence"]) == (SCORES[LABS[0]], ["metrics.csv"])


def follow_to_the_letter(guide: Guide, name: str, charter_hash: str) -> str:
    """All blocks of a reader's guide, in a folder with a bundle; gives what they printed."""
    reader = guide.node(name)
    shutil.copytree(guide.node(AUDITORS[1]) / "bundle", reader / "BUNDLE")
    shutil.copytree(DOCS / "examples", reader / "docs" / "examples")
    text = (DOCS / "guides" / f"{name}.md").read_text().replace("HEX", charter_hash)
    commands: list[list[str]] = []
    for kind, block in BLOCK.findall(text):
        lines = [shlex.split(line) for line in block.splitlines()]
        commands += lines if kind == "console" else [["python", "-c", block]]
    assert commands
    programs = {"fermata": FERMATA, "python": (sys.executable,)}
    printed = ""
    for program, *words in commands:
        done = subprocess.run(
            [*programs[program], *words],
            cwd=reader,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=WAIT_S,
            check=False,
        )
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        printed += done.stdout
    return printed


def test_the_guides_lead_from_an_empty_folder_to_a_valid_bundle(guide):
    public = make_keys(guide)
    charter_hash = agree(guide, public)
    deal(guide)
    fingerprint = start_coordinator(guide)
    log = f'[log]\naddress = "{guide.address("log")}"\n'
    for auditor in AUDITORS:
        enroll(guide, auditor, "auditor", fingerprint)
    sign_record(guide)
    for auditor in AUDITORS:
        write_config(guide, auditor, log, 'share = "keys/share.age"\n')
        guide.start(auditor, "auditor")
    for lab in LABS:
        enroll(guide, lab, "lab", fingerprint)
        write_config(guide, lab, log + '\n[lab]\nmetrics = "metrics.csv"\n')
        metrics = f"round,metric,value\n2025Q4,score,{SCORES[lab]}\n"
        (guide.node(lab) / "metrics.csv").write_text(metrics)
    checked = guide.told(LABS[0], "lab", "check", "--config", "fermata.toml", "--period", "2025Q4")
    assert checked["exact"]
    assert checked["values"][0]["encoded"] == "625"
    for lab in LABS:
        guide.start(lab, "lab")
    wait_for("the results", lambda: "results_opened" in guide.log(AUDITORS[0]))
    shown = guide.told(LABS[0], "log", "show", "--config", "fermata.toml")
    assert {e["verdict"] for e in shown} == {"accepted"}
    found = guide.told(COORDINATOR, "status", "--config", "fermata.toml")
    assert [r["state"] for r in found["rounds"]] == ["opened"]
    assert {n["node"] for n in found["nodes"] if n["last_seen"]} == set(PARTIES)
    guide.fermata(AUDITORS[1], "bundle", "--config", "fermata.toml", "bundle")
    words = ("verify", "bundle", "--charter-hash", charter_hash)
    assert guide.fermata(AUDITORS[1], *words).endswith("VALID")
    (result,) = guide.told(AUDITORS[1], *words)["results"]["rounds"]
    sums = {r["statistic"]: r["value"] for r in result["results"]}
    assert sums == {"sum": "1.875", "mean": "0.625000", "count": "3"}
    audit_on_site(guide, charter_hash)
    assert "VALID" in follow_to_the_letter(guide, "verifier", charter_hash)
    printed = follow_to_the_letter(guide, "researcher", charter_hash)
    assert "2025Q4 score sum 1.875 fraction correct" in printed
    assert "2025Q4  1.875 fraction correct, 3 organisations" in printed
    # Each node ends with 0 when it is asked to.
    guide.stack.close()
