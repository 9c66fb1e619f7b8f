"""Which certificates citizens may sign with, as the certification authority's events say."""
