"""Where event counts come from: PromQL, the Prometheus client, and the meter of an objective."""
