"""``wfworker doctor``: reads the facts, judges them, says what to do."""

from workflow_worker.cli.doctor.command import command

__all__ = ["command"]
