"""The master process: forks, reaps, judges, signals."""
