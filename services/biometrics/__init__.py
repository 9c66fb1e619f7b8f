"""Is this the person on the card, alive, now?"""
