"""Stand-ins for tests, held to the real parts by contract tests."""
