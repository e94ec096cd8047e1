"""A drill as short as a drill can be, on two services and Toxiproxy: for bad days, which need little more."""
