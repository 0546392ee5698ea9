"""What Prometheus is told: the names, and where workers keep the figures."""
