"""The key ceremony: from one file to every key and certificate, with a transcript."""
