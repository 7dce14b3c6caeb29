"""The composition root: settings, schedule, and the loop of gather, decide, apply."""
