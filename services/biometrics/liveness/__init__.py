"""Is the clip of a live person who does, now, what was asked?"""
