"""Certificates that Sluice makes for its own webhook, and when they are renewed. No I/O.

The parts: `pair` reads them, `issuing` makes them, `rotation` says what is to be done, and `store`
is how they are kept in a Secret.
"""
