"""Why no control plane could be had."""


class UnavailableError(RuntimeError):
    """One provider cannot give a control plane here; the message says why."""


class RefusedError(UnavailableError):
    """The provider that was asked for must not be used, and nothing else should be in its stead."""


class NoControlPlane(RuntimeError):  # noqa: N818 - reads as what it says where tests skip on it
    """No provider can give a control plane here."""

    def __init__(self, reasons: list[tuple[str, str]]) -> None:
        lines = "\n".join(f"  - {provider}: {reason}" for provider, reason in reasons)
        super().__init__(f"no Kubernetes control plane to test with:\n{lines}")
        self.reasons = tuple(reasons)
