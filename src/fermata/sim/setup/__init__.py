"""A simulated deployment before it runs: its charter, terms, figures and planted secrets.

``shape_of`` draws how large a seed's deployment is, and ``deployment_of`` makes its keys and
charter.

    >>> from fermata.sim.setup.deployment import lab_names, shape_of
    >>> shape = shape_of(7)
    >>> len(lab_names(shape)) == shape.labs
    True
"""
