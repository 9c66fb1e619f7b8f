"""What a worker process does with captures, and the port to it."""
