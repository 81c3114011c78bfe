"""Charters that are moved as amendments in the log of a chain, carried, and in force."""

import base64
import re
from dataclasses import replace
from typing import Any

from fermata.protocol.charter.parse import parse_charter
from fermata.protocol.roles.auditor import check_close, endorse, open_part
from fermata.protocol.state.state import Verdict
from fermata.protocol.wire.envelope import charter_message
from fermata.wire.v1 import envelope_pb2
from fermata.wire.v1 import statement_pb2 as wire
from fermata.wire.v1.envelope_pb2 import EntryRef
from harness.chains import MODULUS_BITS_MIN, Chain, party_keys
from harness.deployments import changing

MEMBERS = "axyz"
NOTICE_MS, VOTE_MS = 86_400_000, 7_200_000
COMMENT = ('title = "For tests"', 'title = "Amended"')
NEW_KEY = party_keys(7, 7, 3)["lab-7"]
#: Under this charter round 1 could not be checked: a statistic and a lab of a panel are gone.
OTHER_TERMS = (
    ('statistics = ["sum", "mean", "count"]', 'statistics = ["sum"]'),
    ('labs = ["lab-2", ', "labs = ["),
)


def key_text(key: Any) -> str:
    """A party's public key as a charter has it."""
    return base64.b64encode(key.public_key).decode()


def another_auditor(chain: Chain, joiner: Any) -> tuple[tuple[str, str], tuple[str, str]]:
    """The edits by which auditor-4, with this key, takes the place of auditor-3."""
    return ("auditor-3", "auditor-4"), (
        key_text(chain.deployment.keys["auditor-3"]),
        key_text(joiner),
    )


def amended(chain: Chain, *edits: tuple[str, str]) -> bytes:
    """The charter of the deployment with these edits, which names the one that it changes."""
    text = chain.deployment.charter_data.decode()
    text = changing(re.sub("^previous = .*\n", "", text), chain.deployment.charter)
    for old, new in edits or (COMMENT,):
        assert old in text
        text = text.replace(old, new)
    return text.encode()


def joining(chain: Chain) -> bytes:
    """The charter with one more lab, whose key is NEW_KEY."""
    key = base64.b64encode(NEW_KEY.public_key).decode()
    table = f'[[lab]]\nid = "lab-7"\norganisation = "Organisation g"\nsigning_key = "{key}"\n\n'
    return amended(chain, ("[committee]", table + "[committee]"))


def signed(data: bytes, **keys: Any) -> list[envelope_pb2.Signature]:
    message = charter_message(data)
    return [
        envelope_pb2.Signature(party=party.replace("_", "-"), signature=key.sign(message))
        for party, key in sorted(keys.items())
    ]


def tabled(chain: Chain, data: bytes, author: str = "member-1", **body: Any) -> Verdict:
    fields = {"from_round": len(chain.state.rounds) + 1, "charter": data} | body
    motion = wire.Motion(kind=wire.MOTION_KIND_AMENDMENT, **fields)
    return chain.say(author, motion=motion)


def carried(chain: Chain, data: bytes, **body: Any) -> int:
    """Tables an amendment and carries it, also with the labs that it asks; returns when its notice
    is over."""
    verdict = tabled(chain, data, **body)
    assert verdict.accepted, verdict
    motion = chain.state.governance.motions[verdict.entry]
    asked = chain.state.chartered().charter.labs if motion.has_share else motion.asked_labs
    for party in ("member-1", "member-2", "member-3", *asked):
        if chain.state.governance.motions[verdict.entry].status == "open":
            vote = wire.Vote(motion=EntryRef(index=verdict.entry), choice=wire.CHOICE_FOR)
            assert chain.say(party, vote=vote).accepted
    return chain.due_ms(chain.state.governance.motions[verdict.entry].notice)


def close_round(chain: Chain) -> None:
    """Everybody abstains, and the round is refused for its cohort."""
    for lab in chain.deployment.charter.labs:
        chain.abstain(lab)
    chain.close()


def under(chain: Chain, data: bytes, **keys: Any) -> Chain:
    """The chain, whose parties now speak under another charter."""
    deployment = chain.deployment
    chain.deployment = replace(
        deployment,
        charter_data=data,
        charter=parse_charter(data, MODULUS_BITS_MIN),
        keys={**deployment.keys, **{p.replace("_", "-"): k for p, k in keys.items()}},
    )
    return chain


def finish(chain: Chain, number: int, auditors: tuple[str, ...] = ()) -> None:
    """Every auditor endorses an older round and gives its part, as its node would."""
    everyone = auditors or chain.deployment.charter.auditors
    for auditor in everyone:
        found = chain.state.rounds[number - 1]
        close = check_close(chain.state, found, chain.fetch, chain.cache)
        if auditor not in found.endorsements:
            assert chain.put_ok(chain.seal(endorse(chain.state.keyed(), found, close, auditor)))
    for auditor in everyone:
        found = chain.state.rounds[number - 1]
        assert found.close is not None
        share = chain.deployment.shares[auditor]
        part = open_part(chain.state.keyed(), found, found.close, auditor, share, chain.entropy)
        assert chain.put_ok(chain.seal(part))
