"""The chain of the authority's acts, and its checkpoints."""
