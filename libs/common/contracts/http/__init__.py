"""The shapes of requests and answers that services and their clients share, one module a service."""
