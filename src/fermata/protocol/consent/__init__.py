"""What an owner agrees to: two charters compared for one lab, article by article.

Normative text: docs/spec/consent.md.

    >>> from fermata.protocol.consent.difference import Effect
    >>> Effect.STRICTER.is_free, Effect.WEAKER.is_free
    (True, False)
"""
