"""Tests of the executable references."""
