"""Face checks that the numbers do not decide, before clerks."""
