"""People-facing words: languages, catalogues of texts, scripts, dates."""
