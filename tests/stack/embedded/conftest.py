"""The short drill is there to be killed by `sigkill.py`, not to be a test of ours."""

collect_ignore = ["short"]
