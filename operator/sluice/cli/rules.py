"""The rules of a verdict in words, in the order in which they are asked."""

from sluice.policy.admission import Rule

SAYS = {
    Rule.NEW: "a workload that is created passes",
    Rule.DELETING: "what is being deleted may be changed",
    Rule.CONTROLLED: "a controller owns it, which is what decides on it",
    Rule.OWN: "it is a part of Sluice itself, which no policy governs, so that its fix passes",
    Rule.NO_POLICY: "no policy governs it",
    Rule.UNCHANGED: "the pod template stays as it is: scaling and the like always pass",
    Rule.KILL_SWITCH: "the kill switch lifts all enforcement",
    Rule.UNDECIDED: "the policy has not decided anything yet, so changes pass",
    Rule.EXPIRED: "the freeze has expired because no controller renewed it",
    Rule.STAGE: "the stage in force, as far as the policy's mode reaches, lets changes pass",
    Rule.EXEMPT_USER: "the user is exempt (spec.exemptions.serviceAccounts)",
    Rule.OVERRIDE: "an active GateOverride lets it pass",
    Rule.RECREATED: "it was deleted while frozen and is created again",
    Rule.TEMPLATE_KEYS: (
        "nothing of the pod template changes but exempt annotations (spec.exemptions.templateKeys)"
    ),
    Rule.CHANGE_TYPE: "the change declares an exempt type (spec.exemptions.changeTypes)",
    Rule.REVISIONS_UNKNOWN: "whether it is a rollback cannot be told",
    Rule.ROLLBACK: "the pod template is that of a retained revision: a rollback",
    Rule.KNOWN_IMAGES: "it runs only images that run already, or ran before",
    Rule.LEAVES: "it would take the workload out of the policy while that is in force",
    Rule.NOT_COUNTED: "a limit counts deployments of workloads, which this is none of",
    Rule.WITHIN_LIMIT: "the interval since the last deployment has passed",
    Rule.APPROVED: "an approval that is not used up lets it pass",
    Rule.LIMITED: "the stage limits deployments",
    Rule.DEPLOYS: "the pod template changes, and nothing exempts that",
}
"""By rule; all of them."""


def in_words(rule: str) -> str:
    """What a rule says; the name itself where a verdict has none of `Rule`."""
    return SAYS.get(Rule(rule), rule) if rule in set(Rule) else rule
