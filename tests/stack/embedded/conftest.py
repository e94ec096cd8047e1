"""These drills are there to be killed and spoiled by `sigkill.py` and `test_bad_days.py`, not to be tests of ours."""

collect_ignore = ["short", "brief"]
