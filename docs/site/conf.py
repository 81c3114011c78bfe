"""How `make site` makes pages of the documents (Sphinx, MyST).

The source folder is the root of the repository, so that a link from one document to another is the
same on the site, in a checkout and on a git host. The root's README is the front page.
"""

import re

from sphinx.application import Sphinx
from sphinx.util.matching import patfilter

import fermata

project = "Fermata"
version = release = fermata.__version__
html_title = f"Fermata {version}"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_click"]
root_doc = "README"
include_patterns = ["*.md", "docs/*.md", "docs/**/*.md"]
exclude_patterns = [".*", "build", "dist", "demo-out", "deploy", "proto", "scripts", "src", "tests"]

# The anchors of headings are those of git hosts.
myst_heading_anchors = 4
nitpicky = True
nitpick_ignore_regex = [
    # Types of other packages: a build uses no network to read their documents.
    (r"py:.*", r"(?!fermata\.).*"),
    # What a charter and the state are made of, which programs need not know.
    (r"py:.*", r"fermata\.protocol\..*"),
    # An int.
    (r"py:class", r"fermata\.types\.EntryIndex"),
]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "mixed"
python_use_unqualified_type_names = True

# Two hyphens before an option stay two hyphens.
smartquotes = False

html_theme = "furo"
html_extra_path = ["top"]
html_copy_source = False
html_show_copyright = False

#: The sidebar: documents, or patterns for those that are in no list yet. Sphinx warns of one that
#: is left.
CONTENTS = {
    "Guides": [
        "docs/guides/demo",
        "docs/guides/install",
        "docs/guides/lab",
        "docs/guides/oversight",
        "docs/guides/auditor",
        "docs/guides/operator",
        "docs/guides/observer",
        "docs/guides/verifier",
        "docs/guides/researcher",
        "docs/guides/regulator",
        "docs/guides/*",
        "docs/sources",
        "docs/dashboard",
        "docs/runbooks/*",
    ],
    "Specification": ["docs/spec/README", "docs/spec/*"],
    "Decisions": ["docs/adr/README", "docs/adr/*"],
    "Reference": [
        "docs/site/command-line",
        "docs/site/python",
        "docs/performance",
        "docs/false-alarms",
        "docs/presence",
        "docs/axe",
    ],
    "Background": [
        "docs/README",
        "docs/what-each-party-learns",
        "docs/architecture",
        "docs/threat-model",
        "docs/attack",
        "docs/*",
        "*",
    ],
}

#: An anchor as git hosts take it; MyST knows targets of its own instead.
ANCHOR = re.compile(r'^<a id="([a-z0-9-]+)"></a>$', re.MULTILINE)


def adapt(app: Sphinx, docname: str, source: list[str]) -> None:
    """What only the site needs: targets of MyST, and the sidebar's lists on the front page."""
    source[0] = ANCHOR.sub(r"(\1)=", source[0])
    if docname == root_doc:
        left = sorted(app.env.found_docs - {root_doc})
        for caption, patterns in CONTENTS.items():
            entries = []
            for pattern in patterns:
                entries += patfilter(left, pattern)
                left = [name for name in left if name not in entries]
            lines = [f":caption: {caption}", ":hidden:", "", *entries]
            source[0] += "\n".join(["\n\n```{toctree}", *lines, "```\n"])


def setup(app: Sphinx) -> None:
    app.connect("source-read", adapt)
