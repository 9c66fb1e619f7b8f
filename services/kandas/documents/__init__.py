"""The sealed document of each decision: made, fetched by the citizen, verified by anybody."""
