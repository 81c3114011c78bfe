"""A share with its place: K34, and the older form without one."""

from dataclasses import replace

import pytest

from fermata.crypto.threshold.auditor_share import AuditorShare, auditor_share
from fermata.crypto.threshold.key_record import epoch_id
from fermata.crypto.threshold.opening import KeyShare
from fermata.errors import InvalidEncoding, InvalidProof
from harness.deployments import make_deployment

DEPLOYMENT = make_deployment()
CHARTER, RECORD = DEPLOYMENT.charter, DEPLOYMENT.record
ME = CHARTER.auditors[0]
EPOCH_ID = epoch_id(RECORD, CHARTER.auditors)
SHARE = auditor_share(DEPLOYMENT.shares[ME], RECORD, CHARTER.sha256, CHARTER.auditors)


def test_a_share_and_its_place_come_back_from_their_bytes() -> None:
    again = AuditorShare.from_bytes(SHARE.to_bytes())
    assert again == SHARE
    assert (again.auditor, again.epoch, again.epoch_id) == (ME, 1, EPOCH_ID)
    again.check_place(CHARTER.sha256, CHARTER.auditors, ME)
    again.check_epoch(RECORD, EPOCH_ID)


def test_a_share_of_the_older_form_is_read_as_one_that_names_no_place() -> None:
    old = AuditorShare.from_bytes(SHARE.share.to_bytes())
    assert old == AuditorShare(SHARE.share)
    assert old.to_bytes() == SHARE.share.to_bytes()
    old.check_place(CHARTER.sha256, CHARTER.auditors, ME)
    old.check_epoch(RECORD, EPOCH_ID)
    with pytest.raises(InvalidProof) as caught:
        old.check_place(CHARTER.sha256, CHARTER.auditors, CHARTER.auditors[1])
    assert caught.value.reason == "SHARE_AUDITOR"


@pytest.mark.parametrize("length", range(0, len(SHARE.to_bytes()), 7))
def test_half_a_share_is_refused_without_a_word_of_it(length: int) -> None:
    with pytest.raises(InvalidEncoding) as caught:
        AuditorShare.from_bytes(SHARE.to_bytes()[:length])
    assert caught.value.reason == "SHARE_ENCODING"
    assert f"{SHARE.share.value:x}"[:12] not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"charter_sha256": bytes(32)}, "SHARE_CHARTER"),
        ({"auditor": CHARTER.auditors[1]}, "SHARE_AUDITOR"),
        ({"share": DEPLOYMENT.shares[CHARTER.auditors[1]]}, "SHARE_AUDITOR"),
    ],
)
def test_a_share_of_another_place_is_refused_by_name(change, reason: str) -> None:
    with pytest.raises(InvalidProof) as caught:
        replace(SHARE, **change).check_place(CHARTER.sha256, CHARTER.auditors, ME)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("change", "reason", "said"),
    [
        ({"epoch_id": bytes(32), "epoch": 7}, "SHARE_EPOCH", "of epoch 7"),
        ({"share": KeyShare(1, SHARE.share.value, bytes(32))}, "SHARE_KEY", "another key"),
        ({"share": KeyShare(1, SHARE.share.value + 1, SHARE.share.key_id)}, "SHARE", "damaged"),
    ],
)
def test_a_share_of_another_epoch_or_key_is_refused_by_name(change, reason, said) -> None:
    with pytest.raises(InvalidProof) as caught:
        replace(SHARE, **change).check_epoch(RECORD, EPOCH_ID)
    assert caught.value.reason == reason
    assert said in str(caught.value)


def test_a_share_does_not_print_its_value() -> None:
    assert f"{SHARE.share.value}"[:12] not in repr(SHARE)
    assert f"{SHARE.share.value:x}"[:12] not in repr(SHARE)
