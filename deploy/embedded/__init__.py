"""The embedded stack: broker, store and all five services on one machine."""
