"""The custom resources of `sluice.dev/v1alpha1`, and nothing that touches a cluster.

The models here are the only place where a field is defined: the CRDs, the reference and every
reader and writer of an object are made from them.
"""

GROUP = "sluice.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
