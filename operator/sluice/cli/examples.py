"""Examples of the commands for people: shown by `--help`, and in docs/reference/kubectl-sluice.md.

Each one is a command line without the program, and what it is for.
"""

Example = tuple[str, str]

EXAMPLES: dict[str, tuple[Example, ...]] = {
    "status": (
        ("status", "The context's namespace."),
        ("status -A -o wide", "All namespaces, all of it."),
        ("status -n shop -o json", "For programs."),
    ),
    "explain": (
        ("explain deployment/web -n shop", "Would a deployment pass now? What would?"),
        ("explain deployment/web -n shop --image web=web:1.2", "Would this image?"),
        ("explain sts/db -n shop -f db.yaml --server", "Would this manifest, says the cluster?"),
    ),
    "approve": (
        (
            "approve deployment/web -n shop --reason 'reviewed in CHG-8' --for 2h",
            "Let one deployment pass a stage that limits them.",
        ),
    ),
    "freeze": (
        (
            "freeze default -n shop --reason 'the database is moved' --for 2h --ticket CHG-7",
            "Freeze what a policy governs for two hours.",
        ),
        (
            "freeze --all -A --reason 'sale' --dry-run=server",
            "Try whether all policies of the cluster could be frozen.",
        ),
    ),
    "override": (
        (
            "override deployment/web -n shop --reason 'fixes checkout' --for 30m",
            "Let changes of one workload pass for half an hour.",
        ),
        (
            "override --policy default --reason 'evacuation' --ticket INC-4711",
            "Let changes of all workloads of a policy pass for an hour.",
        ),
    ),
    "thaw": (("thaw --all --reason 'the freeze is wrong'", "Lift everything in the cluster."),),
    "verdict": (
        ("verdict deployment/web -n shop --url http://127.0.0.1:8080", "Ask the gate once."),
        ("verdict web -n shop --wait 30m -o json", "Wait for it; the URL is in SLUICE_GATE_URL."),
    ),
    "check": (
        (
            "check -f examples/shop --prometheus http://prometheus.monitoring:9090",
            "Evaluate manifests against a Prometheus.",
        ),
    ),
}
"""By command."""


def epilog(command: str, *, program: str) -> str | None:
    """The examples of a command as the end of its help; None if it has none."""
    found = EXAMPLES.get(command)
    if not found:
        return None
    # A backspace alone on a line keeps typer from joining the lines that follow it.
    lines = "\n".join(f"  {program} {line}\n    {purpose}" for line, purpose in found)
    return f"\b\nExamples:\n{lines}"
