"""drillbook turns a troubleshooting guide into drills that run.

Real servers are started and hurt on purpose; what clients, probes and faults saw is recorded, and
checkers decide from the recording alone whether the system behaved as its guide says.
"""

__version__ = "0.1.0"
