"""One child process: reader, pool of threads, committer, leases."""
