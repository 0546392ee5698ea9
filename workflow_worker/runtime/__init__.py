"""Runs workflow functions purely: journal in, decisions out.

Nothing here reads a clock, makes a random number, opens a socket or knows Redis: what
an execution may ask of the world goes through :class:`workflow_worker.ports.Effects`.
Read in this order: execute (one task to one decision), ends (how each end is judged),
context (the user's view), run (actions, and what the commit carries out), steps (each
step in its order), replay (what is recorded already), journal (the format); then what
a function may ask for: acting and futures, waits and durations, children, compensation,
data, values, baggage; what goes wrong: classify with its error_rules, backoff (when to
try again), failure (what is kept of it); terms and catalog (what runs are held to, what
there is), route (which events start what).
"""
