"""Captures on their way in: what may come, in sealed pieces, with a quick look beforehand."""
