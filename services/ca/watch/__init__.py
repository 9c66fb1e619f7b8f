"""Who watches the watchers: what ends when, and whether checks and checkpoints are made."""
