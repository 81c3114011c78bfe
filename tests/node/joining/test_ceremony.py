"""What goes to the dealer and what comes back: nothing in it is taken on trust (JN5)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fermata.errors import ConfigError, FermataError
from fermata.node.joining.ceremony import (
    DEALT_FILE,
    dealer_file,
    dealt_file,
    open_dealer_file,
    place_dealt,
    read_setup_file,
)
from fermata.node.storage.signatures import sealed_charter
from fermata.protocol.charter.parse import parse_charter
from fermata.protocol.wire.codec import encode
from fermata.wire.v1 import log_service_pb2
from harness.node.setup_world import make_setup


@pytest.fixture(scope="module")
def ready(tmp_path_factory):
    """All have joined and signed; gives the set-up and the dealer's file."""
    made = make_setup(tmp_path_factory.mktemp("ceremony"))
    for joiner in made.complete().values():
        joiner.step()
        joiner.step()
    made.server.stop(0)
    charter = parse_charter(made.folder.charter().data)
    return made, charter, dealer_file(made.folder, charter)


def files_of(data):
    return log_service_pb2.SetupFiles.FromString(data)


def opened(tmp_path, files):
    file, work = tmp_path / "for-dealer.bin", tmp_path / "work"
    file.write_bytes(files if isinstance(files, bytes) else encode(files))
    work.mkdir()
    return open_dealer_file(file, work)


def test_the_dealer_gets_the_signed_charter_and_whom_to_seal_to(ready, tmp_path):
    _, charter, data = ready
    path, recipients = opened(tmp_path, data)
    assert path.read_bytes() == files_of(data).charter
    assert list(recipients) == list(charter.auditors)
    sealed_charter(path, charter)


def test_a_dealers_file_without_a_signature_is_not_dealt(ready, tmp_path):
    _, charter, data = ready
    files = files_of(data)
    del files.charter_signatures[0]
    path, _ = opened(tmp_path, files)
    with pytest.raises(ConfigError, match="not signed by"):
        sealed_charter(path, charter)


def test_jn5_recipients_that_were_exchanged_are_refused(ready, tmp_path):
    _, _, data = ready
    files = files_of(data)
    first, second = files.recipients[0], files.recipients[1]
    first.content, second.content = second.content, first.content
    with pytest.raises(FermataError) as error:
        opened(tmp_path, files)
    assert error.value.reason == "RECIPIENT_SIGNATURE"


def test_jn5_a_recipient_that_is_missing_is_refused(ready, tmp_path):
    files = files_of(ready[2])
    del files.recipients[1]
    with pytest.raises(FermataError) as error:
        opened(tmp_path, files)
    assert error.value.reason == "RECIPIENT_FORM"


@pytest.mark.parametrize("change", ["less", "more"])
def test_jn5_every_auditor_gets_a_share(ready, change):
    made, charter, _ = ready
    shares = dict.fromkeys(charter.auditors, b"sealed")
    shares.popitem() if change == "less" else shares.update({"lab-1": b"sealed"})
    file = made.folder.folder / DEALT_FILE
    file.write_bytes(dealt_file(b"record", shares))
    with pytest.raises(ConfigError) as error:
        place_dealt(made.folder, charter, file)
    assert error.value.reason == "SETUP_FILE"
    assert not made.folder.record_file.exists()


def test_a_record_that_is_none_is_not_placed(ready):
    made, charter, _ = ready
    file = made.folder.folder / DEALT_FILE
    file.write_bytes(dealt_file(b"record", dict.fromkeys(charter.auditors, b"sealed")))
    with pytest.raises(FermataError):
        place_dealt(made.folder, charter, file)
    assert not made.folder.record_file.exists()


@given(st.binary(max_size=60), st.data())
def test_a_damaged_file_raises_nothing_but_the_files_error(ready, junk, data):
    made, _, whole = ready
    place = data.draw(st.integers(0, len(whole)))
    file = made.home / "junk.bin"
    file.write_bytes(whole[:place] + junk + whole[place + 1 :])
    try:
        read_setup_file(file)
    except ConfigError as error:
        reason = error.reason
    else:
        reason = "SETUP_FILE"
    assert reason == "SETUP_FILE"
