"""The programs that operators run: check, export, archive, backup, restore."""
