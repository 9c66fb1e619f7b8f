"""A local signing program that speaks as NCALayer does, so that pages written for NCALayer can use our keys.

Pages on the allowed list ask over ``wss://127.0.0.1:13579``; the person sees what is to be signed and agrees, or not.
"""
