"""TestWorker: your workflows in your own test's process, on a real server, no waiting.

The server is real and so are the scripts; what is missing is the service around them:
no processes, no leases to lose, no waiting. Everything that is due runs inside the call
that made it due, in this thread, so a breakpoint in a workflow works, and an
``assert`` after the call sees what came of it::

    from workflow_worker.testing import TestWorker

    def test_an_order_nobody_approves_is_refunded():
        with TestWorker(app) as worker:
            order = worker.start("order.placed", {"order_id": "o-1", "cents": 5})
            assert order.state == "awaiting approval"
            worker.skip()                         # to the timeout, 24 hours on
            assert order.result() == "refunded"

Needs a server to start: ``pip install 'workflow-worker[embedded]'``, or one on PATH.
"""

from workflow_worker.testing.started import Started, Stuck
from workflow_worker.testing.worker import TestWorker

__all__ = ["Started", "Stuck", "TestWorker"]
