"""What stands on the wire, one module per dialect. The only place that knows the wire's names."""
