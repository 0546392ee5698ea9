"""The command ``wfworker``: one file per command, imported when called."""
