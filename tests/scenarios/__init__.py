"""Tests of what the scenarios are made of; the scenarios themselves are held by `drill`."""
