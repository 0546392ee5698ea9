"""Runs workflow functions purely: journal in, decisions out.

Nothing here reads a clock, makes a random number, opens a socket or knows Redis: what
an execution may ask of the world goes through :class:`workflow_worker.model.Effects`.
Read in this order: execute (one task to one decision), run (what the function asks
for, in order), replay (what is recorded already), journal (the format), context (the
user's view), failure and classify (what went wrong), route (which events start what).
"""
