"""From error budgets to one decision per policy: pure, without a clock and without I/O.

`decide` is the only place where a stage is chosen. Everything else here prepares its input
(`selection`, `status`), judges what surrounds it (`override`, `validation`) or puts its result
into words (`message`, `conditions`, `expansion`).
"""
