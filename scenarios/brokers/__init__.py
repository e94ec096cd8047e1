"""Event-Driven Architecture Issues: brokers that are lost, and what was on its way to them."""
