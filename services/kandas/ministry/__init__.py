"""The check of every person by the ministry's information system."""
