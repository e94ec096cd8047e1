"""Load that does not care how the target feels: requests leave at their time, and each is on disk before it does.

`arrivals` says when, `operations` what, `plan` is both as a file, `generate` is the process (the only one that
imports Locust) and `generator` is how the runner talks to it.
"""
