"""The story of one budget, told with real commands on a real control plane: `make demo`."""
