"""The model files: fetched, converted, pinned, described."""
