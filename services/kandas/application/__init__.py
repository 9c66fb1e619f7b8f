"""An application from its draft to its end: what it says, how it is signed, how long it is kept."""
