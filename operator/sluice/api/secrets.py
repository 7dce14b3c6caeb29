"""How sources refer to Secrets: always in the controller's own namespace."""

from pydantic import Field

from sluice.api.base import Name, Spec

IN_OUR_NAMESPACE = "in the controller's namespace"


class SecretKey(Spec):
    """One entry of a Secret in the controller's own namespace."""

    name: Name = Field(description="The Secret's name.")
    key: str = Field(
        pattern=r"^[-._a-zA-Z0-9]+$", max_length=253, description="The key in its `data`."
    )

    def __str__(self) -> str:
        return f"{self.name}[{self.key}]"
