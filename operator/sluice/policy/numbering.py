"""How revisions are numbered, which rolling back numbers anew.

Source: the annotations `deployment.kubernetes.io/revision`, `rollout.argoproj.io/revision` and
their `revision-history`, by the controllers of Deployments and of Argo Rollouts.
"""

_INT64_DIGITS = 19


def revision_number(text: str) -> int:
    """A revision's number as annotations have it; 0 for what is none.

    They are anybody's to edit, and Python refuses to read a number of 5,000 digits.
    """
    return int(text) if text.isdecimal() and len(text) <= _INT64_DIGITS else 0


def had_lower_number(number: int, formerly: str) -> bool:
    """Whether a revision was numbered anew, because it was rolled back to.

    Args:
        number: What it is now.
        formerly: The numbers that it had before, by commas. Argo Rollouts writes the present one
            there as well, when nothing but annotations has changed.
    """
    return any(revision_number(one) < number for one in formerly.split(",") if one)
