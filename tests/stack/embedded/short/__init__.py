"""A drill of a few seconds with every kind of fault, for killing its harness in the middle."""
