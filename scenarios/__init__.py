"""The catalogue of drills for the sample shop, one folder a heading of the guide.

`shop` describes the sample shop as a target, `profiles` says how long things take, `claims` what must always hold.
"""
