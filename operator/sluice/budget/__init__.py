"""Error budgets from event counts: windows, ledger, budget, burn rates, forecast.

Pure: no I/O and no clock. Every time is in Unix seconds (UTC), every length in seconds, and what is
"now" is a parameter.
"""
