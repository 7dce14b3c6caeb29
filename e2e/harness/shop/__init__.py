"""A simulated shop whose traffic, errors and latency can be turned while Prometheus scrapes it.

`python -m e2e.harness.shop --port 8000` runs one by itself; it is then steered by requests such as
`curl -d 'error_ratio=0.5' localhost:8000/set` and `curl -d 'bad=100' localhost:8000/inject`.
"""

from e2e.harness.shop.server import shop
from e2e.harness.shop.service import Load, Shop

__all__ = ["Load", "Shop", "shop"]
