"""Tests of the embedded runtime."""
