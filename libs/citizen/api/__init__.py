"""The HTTP APIs of the five services, typed: a module each, with what it sends and what it is answered."""
