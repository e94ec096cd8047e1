"""Load that does not care how the target feels: requests leave at their time, and each is on disk before it does.

`arrivals` says when, `operations` what, and `plan` is both as a file. `generator` is how the runner talks to the
process that carries it out: `generate`, with `dispatch` and `clients`, the only modules that import gevent and Locust.
"""
