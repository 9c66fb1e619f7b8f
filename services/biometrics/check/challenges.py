"""Challenges, drawn by chance."""

import secrets

from services.biometrics.check.states import Challenge
from services.biometrics.liveness.challenge import STEADY


def random_challenge() -> Challenge:
    """Draw one of `STEADY`, each as likely as the other, mostly a blink in a random place, and 128 random bits.

    People blink of themselves: whoever replays a clip with blinks in it has one chance in as many as `STEADY` has.
    """
    chance = secrets.SystemRandom()
    actions = list(chance.choice(STEADY))
    if "closer" not in actions or chance.choice((True, False)):  # turns alone are few movements
        actions.insert(chance.randrange(len(actions) + 1), "blink")
    return Challenge(actions=tuple(actions), nonce=secrets.token_urlsafe(16))
