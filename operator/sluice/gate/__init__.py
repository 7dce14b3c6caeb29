"""The gate: asked by the API server, by pipelines and by progressive delivery; it writes nothing.

Every answer is read from memory: policies' statuses, overrides, workloads and what they retain.
"""
