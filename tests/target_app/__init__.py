"""Tests of the sample shop: logic with fakes, HTTP in-process, SQL only where it is SQLite."""
