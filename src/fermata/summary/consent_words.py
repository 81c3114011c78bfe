"""Whom an amendment waits for beside the committee, in words."""

from fermata.protocol.fold.governance.labs import Consent


def consent_text(consent: Consent) -> str:
    """Which labs an amendment waits for, after the members' votes; empty if it asks none."""
    texts = []
    if consent.needed:
        texts.append(f"{consent.count} of {consent.needed} organisations of labs agree")
    if consent.missing:
        texts.append(f"asked and not for it: {', '.join(consent.missing)}")
    return "".join(f"; {text}" for text in texts)
