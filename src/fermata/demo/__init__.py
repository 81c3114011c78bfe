"""The worked example: real public figures, and a deployment of processes on one machine.

``run_demo`` runs it in a folder, ``prepare_demo`` only makes the folders, ``story`` reports events.

    >>> from fermata.demo.charter import demo_figures
    >>> from fermata.demo.figures import quarters
    >>> quarters(demo_figures())[0]
    '2024Q4'
"""
