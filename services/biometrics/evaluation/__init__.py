"""How well this installation's models do on an operator's own labelled pictures: ``make eval-face``.

A tool beside the service, never part of it: it needs the dependency group `measure`.
"""
