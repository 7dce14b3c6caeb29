"""From a decision to what is written to the cluster: rendered and planned here, written elsewhere.

Nothing in this package talks to an API server or reads a clock. `native` renders a freeze as
admission policies, `plan` says what to write on a workload, `sweep` what to apply and delete.
"""
