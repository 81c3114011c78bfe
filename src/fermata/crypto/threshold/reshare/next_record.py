"""Whether a key record may follow another (docs/spec/keys.md, K21)."""

from fermata.crypto.threshold.key_record import KeyRecord, check_key, reshares_of
from fermata.crypto.threshold.reshare.plan import StepKind
from fermata.errors import InvalidProof


def check_next(old: KeyRecord, new: KeyRecord) -> StepKind:
    """Checks that ``new`` is a record of the epoch after ``old``, and says how it came to be.

    ``old`` must have been checked. It does not show that the auditors of ``old`` took part: their
    signatures do. Raises what ``check_key`` raises, and InvalidProof KEY_NEXT.
    """
    # K21.1: what labs encrypted for must be what the new shares open.
    if (new.n, new.theta, new.origin) != (old.n, old.theta, old.origin):
        raise InvalidProof("KEY_NEXT", "key record: n, theta and origin must be those before")
    # K21.2: an epoch that is left out would leave shares of which nothing is known.
    if new.epoch != old.epoch + 1:
        raise InvalidProof(
            "KEY_NEXT", f"key record: the next epoch must be {old.epoch + 1}, got {new.epoch}"
        )
    check_key(new)
    grown = reshares_of(new.kappa) - reshares_of(old.kappa)
    # K21.3: kappa says how long the shares are, and which of the two it was.
    if grown not in (0, 1):
        raise InvalidProof("KEY_NEXT", "key record: kappa must be that before, or of one reshare")
    if grown == 1:
        return StepKind.RESHARE
    # K21.4: a refresh changes neither who can open nor how many it takes.
    if (new.threshold, new.auditors) != (old.threshold, old.auditors):
        raise InvalidProof(
            "KEY_NEXT", "key record: a refresh must keep the threshold and the number of auditors"
        )
    # K21.5: where a share has not changed, whoever has stolen the old one has the new one.
    for index, (v_old, v_new) in enumerate(zip(old.verification, new.verification, strict=True), 1):
        if v_new in (v_old, old.n - v_old):
            raise InvalidProof(
                "KEY_NEXT", f"key record: a refresh must change the share of auditor {index}"
            )
    return StepKind.REFRESH
