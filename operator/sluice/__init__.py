"""Sluice turns error budgets into deployment decisions on Kubernetes."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("sluice-operator")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"
