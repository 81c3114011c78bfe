"""The text of the demo's charter, on which the labs of the story have agreed."""

from importlib.resources import files

from jinja2 import StrictUndefined, Template

from fermata.demo.figures import INVENTED, REAL, Figure, labs, load_figures, quarters

DEPLOYMENT = "fermata-demo"
COORDINATOR = "oversight"
AUDITORS = tuple(f"auditor-{i}" for i in range(1, 6))
#: Of the committee. Members run no node.
MEMBERS = tuple(f"member-{i}" for i in range(1, 4))
CAPABILITY, COMPUTE = "gpqa-diamond", "compute-log10-h100e"
FIRST_QUARTER = "2024Q4"
#: The duty of a lab during a pause; the log says which labs did not show that they keep it.
DUTY = (COMPUTE, "5.600")
#: The mean of the scores from which on the pause may be pulled: first, and as amended.
HIGH, HIGH_AMENDED = "0.710", "0.700"
#: The first quarter under the amended charter.
AMENDED_FROM = "2025Q3"


def demo_figures() -> tuple[Figure, ...]:
    """The real figures that the story needs, and the invented ones that follow them."""
    real = [
        f
        for f in load_figures(REAL)
        if f.quarter >= FIRST_QUARTER and f.metric in (CAPABILITY, COMPUTE)
    ]
    return (*real, *load_figures(INVENTED))


def invented_quarters(figures: tuple[Figure, ...]) -> frozenset[str]:
    """The quarters whose figures are invented."""
    return frozenset(f.quarter for f in figures if f.is_invented)


def charter_text(
    figures: tuple[Figure, ...],
    public_keys: dict[str, str],
    window_s: int,
    *,
    is_joint: bool = False,
    previous: str = "",
) -> str:
    """The charter for these figures and public keys (base64, by party); ``window_s`` in seconds.

    ``is_joint``: it takes only a key that the auditors made together, and a smaller one, since
    together they need minutes for it. ``previous``: the hash, in hex, of the charter that it
    amends; the first charter has none.
    """
    return filled(
        "charter_template.toml",
        deployment=DEPLOYMENT,
        invented=min(invented_quarters(figures)),
        quarters=quarters(figures),
        window_s=window_s,
        is_joint=is_joint,
        previous=previous,
        high=HIGH_AMENDED if previous else HIGH,
        members=MEMBERS,
        coordinator=COORDINATOR,
        auditors=AUDITORS,
        labs=labs(figures),
        capable=labs([f for f in figures if f.metric == CAPABILITY]),
        owners=labs([f for f in figures if f.metric == COMPUTE]),
        duty=DUTY,
        public_keys=public_keys,
    )


def filled(name: str, **values: object) -> str:
    """The text of the package's template of this name, with these values."""
    source = files("fermata.demo").joinpath(name).read_text(encoding="utf-8")
    template: Template = Template(
        source, trim_blocks=True, keep_trailing_newline=True, undefined=StrictUndefined
    )
    return template.render(values)
