"""Pictures and clips for the demo and the tests, made from real photographs that come inside a package."""
