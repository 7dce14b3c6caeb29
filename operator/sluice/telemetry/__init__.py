"""What Sluice says of itself: logs, metrics, health."""
