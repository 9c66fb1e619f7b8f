"""A citizen's journeys as scripts over the services: electronic signature, revocation, kandas status."""
