"""Real instances under load and faults, seeded; what came of it checked from outside.

``python -m tests.chaos.campaign --help`` says how it is run.
"""
