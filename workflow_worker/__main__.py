"""``python -m workflow_worker`` is ``wfworker``; owns nothing."""

from __future__ import annotations

from workflow_worker.cli.main import main

if __name__ == "__main__":
    main()
