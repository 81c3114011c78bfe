"""Commands before a deployment runs: ``fermata charter``, ``keys`` and ``pki``.

``charter check`` says in words what a charter means; the texts are in ``rules``, ``dates_text`` and
``disclosure_text``.

    >>> from fermata.cli.setup.charter import charter
    >>> "check" in charter.commands
    True
"""
