"""The HTTP process: health, probes and the metrics line, all read from the board."""
