"""The opener as a process: its memory, its network, its share's file, and its end."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fermata.crypto.threshold.auditor_share import auditor_share
from fermata.errors import ConfigError, FermataError, InvalidProof, TransportError
from fermata.node.opener import frames, memory
from fermata.node.opener.process import start_process
from fermata.node.opener.setup import Setup, ShareFile
from fermata.node.storage import keystore
from harness.deployments import make_deployment

MADE = make_deployment()
NAME = MADE.charter.deployment
SHARE = auditor_share(
    MADE.shares["auditor-1"], MADE.record, MADE.charter.sha256, MADE.charter.auditors
)


@pytest.fixture
def setup(tmp_path) -> Setup:
    tmp_path.chmod(0o700)
    identity = keystore.new_identity(tmp_path / "identity.txt")
    share = tmp_path / "share.age"
    keystore.save_sealed(share, SHARE.to_bytes(), keystore.KEY_SHARE, NAME, identity)
    return Setup(
        share=str(share), marks=str(tmp_path / "marks"), identity=str(tmp_path / "identity.txt")
    )


def reason_of(what, *arguments) -> str:
    with pytest.raises(FermataError) as caught:
        what(*arguments)
    return caught.value.reason


def test_a_share_is_used_in_a_process_that_ends(setup) -> None:
    file = ShareFile(setup, MADE.charter)
    data, _ = file.use(lambda share: f"{os.getpid()} {share.share.index}".encode())
    child, index = data.split()
    assert int(index) == 1
    assert int(child) != os.getpid()
    assert not Path(f"/proc/{int(child)}").exists()


def wrong(share: object) -> bytes:
    raise InvalidProof("SHARE", "key share: does not fit")


def test_what_goes_wrong_with_a_share_is_told_by_its_reason(setup, tmp_path) -> None:
    file = ShareFile(setup, MADE.charter)
    assert reason_of(file.use, wrong) == "KEY_SHARE"
    assert reason_of(file.use, lambda share: os._exit(9)) == "OPENER_GONE"
    assert reason_of(file.use, lambda share: 1 / 0) == "OPENER_GONE"
    Path(setup.share).chmod(0o644)
    assert reason_of(file.use, bytes) == "SECRET_MODE"
    Path(setup.share).chmod(0o600)
    Path(setup.identity).unlink()
    keystore.new_identity(Path(setup.identity))
    assert reason_of(file.use, bytes) == "KEYFILE_UNREADABLE"
    Path(setup.share).unlink()
    assert reason_of(file.use, bytes) == "FILE_MISSING"


def test_an_older_share_file_needs_somebody_who_names_the_charter(setup, tmp_path) -> None:
    old = tmp_path / "old.age"
    identity = keystore.load_identity(Path(setup.identity))
    keystore.save_sealed(old, SHARE.share.to_bytes(), keystore.KEY_SHARE, NAME, identity)
    bare = Setup(share=str(old), marks=setup.marks, identity=setup.identity)
    assert reason_of(ShareFile(bare, MADE.charter).use, lambda s: b"") == "CHARTER_HASH"
    pinned = Setup(share=str(old), marks="/", identity=setup.identity, pinned="ab" * 32)
    assert ShareFile(pinned, MADE.charter).use(lambda s: b"x")[0] == b"x"


def test_a_passphrase_comes_from_a_file_or_a_descriptor(tmp_path) -> None:
    tmp_path.chmod(0o700)
    share, words = tmp_path / "share.age", tmp_path / "words"
    words.write_text("correct horse\n")
    words.chmod(0o600)
    lock = keystore.passphrase_from_file(words)
    keystore.save_sealed(share, SHARE.to_bytes(), keystore.KEY_SHARE, NAME, lock)
    of_file = Setup(share=str(share), marks="/", passphrase_file=str(words))
    assert ShareFile(of_file, MADE.charter).use(lambda s: b"x")[0] == b"x"
    descriptor = os.open(words, os.O_RDONLY)
    of_descriptor = Setup(share=str(share), marks="/", passphrase_fd=descriptor)
    assert ShareFile(of_descriptor, MADE.charter).use(lambda s: b"x")[0] == b"x"
    words.write_text("another\n")
    assert reason_of(ShareFile(of_file, MADE.charter).use, bytes) == "KEYFILE_UNREADABLE"


RUNS = """
import sys
import fermata.node.opener.__main__ as opener
print(*sorted(m for m in ("grpc", "ssl", "asyncio", "http", "urllib.request") if m in sys.modules))
opener.forbid_network()
import socket
for attempt in (socket.socket, lambda: socket.create_connection(("127.0.0.1", 9)),
                lambda: socket.getaddrinfo("localhost", 80)):
    try:
        attempt()
        print("reached")
    except Exception as error:
        print(getattr(error, "reason", error))
"""


def test_the_openers_program_loads_no_network_and_opens_no_socket() -> None:
    command = [sys.executable, "-I", "-c", RUNS]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines() == ["", *["OPENER_NETWORK"] * 3]


def test_memory_is_locked_only_where_all_of_it_may_be(monkeypatch) -> None:
    lock = "from fermata.node.opener.memory import lock_memory; print(lock_memory())"
    show = "; print(open('/proc/self/status').read())"
    limited = "import resource; resource.setrlimit(resource.RLIMIT_MEMLOCK, (65536, 65536));"
    kept = subprocess.run(
        [sys.executable, "-c", lock + show], capture_output=True, text=True, check=True
    ).stdout
    locked = next(line for line in kept.splitlines() if line.startswith("VmLck:"))
    assert (kept.startswith("True")) == (int(locked.split()[1]) > 0)
    bound = f"{limited} import fermata.node.opener.memory as m; m._may_lock_anything = bool;" + lock
    ended = subprocess.run(
        [sys.executable, "-c", bound], capture_output=True, text=True, check=True
    )
    assert ended.stdout == "False\n"


def test_an_opener_ends_at_a_message_that_it_does_not_know() -> None:
    for kind in (frames.CHECK, frames.OPEN, b"?"):
        with start_process() as process:
            frames.write_frame(process.stdin, kind, b"")
            with pytest.raises(TransportError):
                frames.read_frame(process.stdout)
            assert process.wait(30) == 0


def test_an_opener_says_what_is_wrong_with_its_set_up() -> None:
    with start_process() as process:
        frames.write_frame(process.stdin, frames.TASK, b'{"share":"/none","marks":"/m"}')
        kind, data = frames.read_frame(process.stdout)
        assert (kind, b"FILE_UNREADABLE" in data) == (frames.FAILED, True)
        frames.write_frame(process.stdin, frames.SETUP, b"{}")
        kind, data = frames.read_frame(process.stdout)
        assert (kind, b"OPENER_SETUP" in data) == (frames.FAILED, True)
        process.stdin.close()
        assert process.wait(30) == 0


def test_a_hook_that_was_added_refuses_only_what_reaches_a_network() -> None:
    hooks = []
    memory.forbid_network(hooks.append)
    hooks[0]("open", ())
    with pytest.raises(ConfigError):
        hooks[0]("socket.connect", ())
