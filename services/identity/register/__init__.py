"""The population register, which knows who there is."""
